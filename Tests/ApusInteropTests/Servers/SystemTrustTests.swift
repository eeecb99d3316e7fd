import Foundation
import Loopback
import Testing

/// The system's own roots: the tool without `--cacert`, in a name space of its own where the
/// system trusts the fixtures' authority.
@Suite(
    "system roots", .timeLimit(.minutes(5)),
    .enabled(if: Programs.apus != nil, "the tool apus is not built"),
    .enabled(if: SystemTrust.mayMount, "only root may mount, with unshare and openssl"))
struct SystemTrustTests {
    @Test func whatTheSystemTrustsIsTrusted() async throws {
        let server = try LoopbackServer(.init(tls: FixturePaths.certificate("leaf")))
        defer { server.stop() }
        let folder = try SystemTrust.folder()
        let url = "https://localhost:\(server.port)/"
        let inside =
            "mount --bind \(folder) /etc/ssl/certs && exec \(try #require(Programs.apus))"
            + " fetch --json \(url)"
        let (code, text) = try await run(["unshare", "--mount", "sh", "-c", inside])
        #expect(code == 0, "\(text)")
        #expect(text.contains("\"status\":200"))
    }

    /// OpenSSL's own defaults would heed these variables.
    @Test func neitherTheSystemNorAnyVariableTrustsAStranger() async throws {
        let server = try LoopbackServer(.init(tls: FixturePaths.certificate("leaf")))
        defer { server.stop() }
        let variables = [
            "SSL_CERT_FILE=\(FixturePaths.pem("ca"))", "SSL_CERT_DIR=\(try SystemTrust.folder())",
        ]
        let (code, text) = try await run(
            ["env"] + variables
                + [
                    try #require(Programs.apus), "fetch", "--json",
                    "https://localhost:\(server.port)/",
                ])
        #expect(code != 0)
        #expect(text.contains("\"kind\":\"tlsVerify\""), "\(text)")
        #expect(server.counters.requests == 0)
    }

    private func run(_ command: [String]) async throws -> (code: Int32, output: String) {
        let output =
            try ServedFiles.temporaryFolder.get() + "/trust-\(UInt64.random(in: 0 ... .max))"
        defer { unlink(output) }
        let process = try ChildProcess(
            try #require(Programs.path(command[0])), Array(command.dropFirst()), output: output)
        let code = await process.waitForEnd()
        return (code, try String(contentsOfFile: output, encoding: .utf8))
    }
}

private enum SystemTrust {
    static let mayMount: Bool = {
        guard geteuid() == 0, Programs.path("openssl") != nil,
            let unshare = Programs.path("unshare"),
            let process = try? ChildProcess(
                unshare, ["--mount", "mount", "-t", "tmpfs", "none", "/mnt"], output: "/dev/null")
        else { return false }
        return process.waitBlocking() == 0
    }()

    /// A new folder with the authority under the name by which OpenSSL looks for it.
    static func folder() throws -> String {
        try FixturePaths.ensureCertificates()
        let number = UInt64.random(in: 0 ... .max)
        let folder = try ServedFiles.temporaryFolder.get() + "/roots-\(number)"
        let script =
            "mkdir -p '\(folder)' && cp '\(FixturePaths.pem("ca"))'"
            + " '\(folder)'/$(openssl x509 -hash -noout -in '\(FixturePaths.pem("ca"))').0"
        let process = try ChildProcess("/bin/sh", ["-c", script], output: "/dev/null")
        try #require(process.waitBlocking() == 0)
        return folder
    }
}
