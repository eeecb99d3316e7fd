import Apus

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

// Sends a JSON body through a proxy, and shows the facts of an error.
//   swift run ThroughProxy https://api.example.com/v1/messages socks5h://user:secret@127.0.0.1:1080
let arguments = CommandLine.arguments.dropFirst()
guard let url = arguments.first, let proxyURL = arguments.dropFirst().first else {
    print("usage: ThroughProxy URL PROXY")
    exit(2)
}
let engine = try TransportEngine(.executor)

// The proxy with its credentials is a part of the route: no connection is shared across a
// difference, and a proxy that fails never falls back to a direct connection.
let client = ExecutorClient(engine, proxy: try ProxySetting(parsing: proxyURL))
let body = RequestBody.bytes(Bytes(#"{"stream": false}"#))
do throws(TransportError) {
    let response = try await client.send(
        .post(url, fields: [.contentType: "application/json"]), body: body)
    let answer = try await response.body.collect(upTo: 1 << 20)
    print(response.status, answer.count, "bytes through", response.info.connection.remoteAddress)
} catch {
    print("kind:   ", error.kind.name)
    print("phase:  ", error.phase, "at the", error.hop)
    print("message:", error.message)
    print("route:  ", error.route.map { "\($0)" } ?? "none")
    print("replay: ", error.replay)
    if let answer = error.proxyAnswer {
        print("the proxy responded:", answer.status, answer.fields)
    }
}
await engine.shutdown()
