import Loopback

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// The origins and proxies of one `apus serve` or `apus demo`.
final class LoopbackServers: Sendable {
    /// HTTP/1.1, and HTTP/2 by prior knowledge.
    let plain: LoopbackServer
    /// HTTP/2 and HTTP/1.1 over TLS, by ALPN.
    let secure: LoopbackServer
    let connectProxy: LoopbackConnectProxy
    let socksProxy: LoopbackSOCKSProxy
    let certificates: Certificates

    /// The files of `make certs`: the authority that clients must trust, and the servers'
    /// certificates.
    struct Certificates: Sendable {
        let authority: String
        let leaf: CertificateFiles

        /// - Parameter folder: their folder; `nil` is the checkout's own, which is filled when
        ///   empty.
        /// - Throws: `ToolError` when they are missing and cannot be made.
        init(folder: String?) throws(ToolError) {
            do {
                if folder == nil { try FixturePaths.ensureCertificates() }
            } catch {
                throw ToolError("\(error); run 'make certs', or pass --certs")
            }
            let folder = folder ?? FixturePaths.certificates
            // Absolute paths, so that servers started elsewhere find them too.
            guard let whole = realpath(folder, nil) else {
                throw ToolError(
                    "the folder \(folder) does not exist; run 'make certs', or pass --certs")
            }
            defer { free(whole) }
            let path = String(cString: whole)
            authority = path + "/ca.pem"
            leaf = CertificateFiles(chain: path + "/leaf.pem", key: path + "/leaf.key")
            for file in [authority, leaf.chain, leaf.key] where access(file, R_OK) != 0 {
                throw ToolError("\(file) is missing; run 'make certs', or pass --certs")
            }
        }
    }

    /// Starts all four.
    ///
    /// - Parameter port: the plain origin's port; the TLS origin uses the next one. With 0 the
    ///   system chooses, as it always does for the proxies.
    init(certificates: Certificates, port: UInt16) throws {
        self.certificates = certificates
        var options = LoopbackServer.Options()
        options.http2PriorKnowledge = true
        options.port = port
        plain = try LoopbackServer(options)
        options = LoopbackServer.Options(tls: certificates.leaf)
        options.port = port == 0 ? 0 : port + 1
        secure = try LoopbackServer(options)
        connectProxy = try LoopbackConnectProxy()
        socksProxy = try LoopbackSOCKSProxy()
    }

    /// Closes everything and waits for every thread.
    func stop() {
        connectProxy.stop()
        socksProxy.stop()
        plain.stop()
        secure.stop()
    }

    /// The ports and files, for the caller of `apus serve`.
    var json: JSON {
        .object([
            ("http", .integer(plain.port)),
            ("https", .integer(secure.port)),
            ("connect_proxy", .integer(connectProxy.port)),
            ("socks_proxy", .integer(socksProxy.port)),
            ("ca", .string(certificates.authority)),
        ])
    }
}
