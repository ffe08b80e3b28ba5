//! OTLP server and client: sockets, TLS, framing, compression. Knows no span.
