//! Answers every Export with success, and counts: GET-like call `/count` returns requests and bytes.

use bytes::Bytes;
use std::{cell::Cell, error::Error, rc::Rc};
use tokio::net::TcpListener;

/// Serves until killed.
pub async fn serve(address: &str) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address).await?;
    println!("{}", listener.local_addr()?);
    let counts = Rc::new((Cell::new(0_u64), Cell::new(0_u64)));
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async move {
            loop {
                let Ok((socket, _)) = listener.accept().await else {
                    continue;
                };
                let _ = socket.set_nodelay(true);
                tokio::task::spawn_local(connection(socket, counts.clone()));
            }
        })
        .await
}

async fn connection(socket: tokio::net::TcpStream, counts: Rc<(Cell<u64>, Cell<u64>)>) {
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(1 << 20)
        .initial_connection_window_size(4 << 20);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(socket).await else {
        return;
    };
    while let Some(Ok((request, reply))) = connection.accept().await {
        tokio::task::spawn_local(answer(request, reply, counts.clone()));
    }
}

async fn answer(
    request: http::Request<h2::RecvStream>,
    mut reply: h2::server::SendResponse<Bytes>,
    counts: Rc<(Cell<u64>, Cell<u64>)>,
) {
    let mut body = request.into_body();
    let mut size = 0_u64;
    while let Some(Ok(chunk)) = body.data().await {
        size += chunk.len() as u64;
        let _ = body.flow_control().release_capacity(chunk.len());
    }
    counts.0.set(counts.0.get() + 1);
    counts.1.set(counts.1.get() + size);
    let response = http::Response::builder()
        .header("content-type", "application/grpc")
        .header("x-requests", counts.0.get())
        .header("x-bytes", counts.1.get());
    let Ok(response) = response.body(()) else {
        return;
    };
    let Ok(mut stream) = reply.send_response(response, false) else {
        return;
    };
    let _ = stream.send_data(Bytes::from_static(&[0; 5]), false);
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    let _ = stream.send_trailers(trailers);
}
