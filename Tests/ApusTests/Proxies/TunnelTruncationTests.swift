import Apus
import Loopback
import Testing

/// Row 48 through a proxy: the correct end of a hop is not the end of the stream through it.
@Suite(.timeLimit(.minutes(5))) struct TunnelTruncationTests {
    @Test(
        "row 48: a proxy's close_notify, or its END_STREAM, is no end of the origin's TLS",
        arguments: [MatrixProxy.Kind.http, .https, .httpsOverHTTP2])
    func aBodyToTheEndOfTheConnection(_ kind: MatrixProxy.Kind) async throws {
        try await withStand(.http1OverTLS) { stand in
            let proxy = try MatrixProxy(kind, number: 1, asksForLogin: false)
            defer { proxy.stop() }
            let client = ExecutorClient(
                stand.engine, proxy: .proxy(try proxy.endpoint(.none)),
                versions: stand.variant.versions
            )
            let cut = await transportError {
                try await fetch(client, stand.url("/eof/10000?notify=0"))
            }
            #expect(cut?.kind == .truncated, "\(String(describing: cut))")
            let whole = try await client.send(.get(stand.url("/eof/10000?notify=1")))
            #expect(try await checkPattern(whole.body) == 10000)
        }
    }
}
