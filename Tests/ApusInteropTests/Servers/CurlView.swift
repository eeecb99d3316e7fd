import Foundation
import Loopback
import Testing

/// What curl makes of a URL through a proxy.
struct CurlView {
    var connectStatus = 0
    var status = 0
    var body = Digested([])

    static func ask(_ peer: ProxyPeer, _ url: String) async throws -> CurlView {
        try await ask(peer.url(), roots: peer.roots, url)
    }

    /// - Parameters:
    ///   - proxy: the proxy's URL.
    ///   - roots: the roots that curl trusts for the origin.
    static func ask(_ proxy: String, roots: String, _ url: String) async throws -> CurlView {
        let base = try ServedFiles.temporaryFolder.get() + "/curl-proxy-\(UUID().uuidString)"
        defer { for path in [base, base + ".body"] { unlink(path) } }
        let process = try ChildProcess(
            try #require(Programs.path("curl")),
            [
                "--silent", "--max-time", "30", "--http1.1", "--cacert", roots,
                "--proxy-cacert", FixturePaths.pem("ca"), "--proxy", proxy,
                "--output", base + ".body", "--write-out", "%{http_connect} %{http_code}\n", url,
            ], output: base)
        _ = await process.waitForEnd()
        let numbers = try String(contentsOfFile: base, encoding: .utf8)
            .split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
        var view = CurlView()
        if numbers.count == 2 { (view.connectStatus, view.status) = (numbers[0], numbers[1]) }
        let bytes = FileManager.default.contents(atPath: base + ".body") ?? Data()
        view.body = Digested([[UInt8](bytes)])
        return view
    }
}
