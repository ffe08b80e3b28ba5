//! `otlp-load sink ADDRESS` counts spans sent to it; `otlp-load send ADDRESS ...` drives a server and prints what it saw as JSON,
//! `otlp-load dump FOLDER ...` writes the same requests to files.

mod send;
mod sink;
mod traffic;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return eprintln!("no runtime");
    };
    let result = match words.first().map(String::as_str) {
        Some("sink") => runtime.block_on(sink::serve(words.get(1).map_or("127.0.0.1:0", String::as_str))),
        Some("dump") => send::dump(&words[1..]),
        Some("send") => runtime.block_on(send::run(&send::Options::parse(&words[1..]))),
        _ => Err("usage: otlp-load sink ADDRESS | otlp-load dump FOLDER --spans 512 --requests 20 [--attacks 0.01] | otlp-load send ADDRESS --spans 512 --requests 2000 --connections 4 [--gzip] [--attacks 0.01] [--rate SPANS_PER_SECOND]".into()),
    };
    if let Err(error) = result {
        eprintln!("otlp-load: {error}");
        std::process::exit(1);
    }
}
