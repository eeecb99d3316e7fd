import Foundation
import Glibc
import Loopback
import Testing

/// `apus fetch`: its options, and the record of each exchange.
@Suite(
    "the tool fetches", .timeLimit(.minutes(5)),
    .enabled(if: Programs.apus != nil, "the tool apus is not built"))
struct ToolFetchTests {
    @Test("a record holds every member, and fields in wire order")
    func aRecord() async throws {
        try await withOrigin { origin in
            let first = "http://127.0.0.1:\(origin.port)/trailers?n=5"
            let second = "http://127.0.0.1:\(origin.port)/informational?n=2"
            let run = try await fetch("--json", "--http1", first, second)
            #expect(run.code == 0, "\(run.errors)")
            let records = try run.records()
            try #require(records.count == 2)
            #expect(
                Set(records[0].keys) == [
                    "url", "status", "http_version", "fields", "trailers", "informational",
                    "body_bytes", "body_sha256", "complete", "reused", "connection", "remote",
                    "tls", "timings_us", "final_url", "tries",
                ])
            #expect(records[0]["url"] as? String == first)
            #expect(records[0]["status"] as? Int == 200)
            #expect(records[0]["http_version"] as? String == "1.1")
            #expect(records[0]["complete"] as? Bool == true)
            #expect(records.map { $0["reused"] as? Bool } == [false, true])
            #expect(records[0]["connection"] as? Int == records[1]["connection"] as? Int)
            #expect(records[0]["remote"] as? String == "127.0.0.1:\(origin.port)")
            #expect(records[0]["tls"] is NSNull)
            #expect((records[0]["trailers"] as? [[String]])?.isEmpty == false)
            #expect((records[1]["informational"] as? [[String: Any]])?.count == 2)
            let times = try #require(records[0]["timings_us"] as? [String: Any])
            #expect(
                Set(times.keys) == [
                    "queued", "resolved", "connected", "secured", "sent", "head", "done",
                ])
            let order = ["queued", "sent", "head", "done"].compactMap { times[$0] as? Int }
            #expect(order.count == 4 && order == order.sorted())
            #expect(times["secured"] is NSNull && times["connected"] is Int)
        }
    }

    @Test("R23: --compressed offers the codings and decodes what comes")
    func compressedContent() async throws {
        let gzip: [UInt8] = [
            0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 0xCB, 0x48, 0xCD, 0xC9, 0xC9, 0xE7, 2, 0, 0x20,
            0x30, 0x3A, 0x36, 6, 0, 0, 0,
        ]
        let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 26\r\n\r\n"
        let script: [ScriptedPeer.Step] = [
            .expectHead, .sendText(head), .send(gzip), .readUntilEnd,
        ]
        let peer = try ScriptedPeer([script, script])
        defer { peer.stop() }
        let run = try await fetch("--compressed", "http://127.0.0.1:\(peer.port)/")
        #expect(run.code == 0 && run.output == "hello\n", "\(run)")
        let request = peer.transcript(0).text.lowercased()
        #expect(request.contains("accept-encoding: gzip, deflate, br, zstd\r\n"), "\(request)")
        // Without it the bytes are passed as they came, and nothing is offered.
        let raw = try await fetch("--json", "http://127.0.0.1:\(peer.port)/")
        #expect(try raw.records().first?["body_bytes"] as? Int == 26)
        #expect(!peer.transcript(1).text.lowercased().contains("accept-encoding"))
    }

    @Test("no URL's password is printed, wherever the URL is")
    func passwordsInURLs() async throws {
        for options in [["--json"], ["-v"], []] {
            for url in [
                "http://user:hunter2@127.0.0.1:1/", "http://hunter2@127.0.0.1:1/hunter",
                "HTTPS://a:b:hunter2@hunter2@name.test", "http://user:hunter2@ name.test/",
                "ftp://user:hunter2@name.test/", "http:user:hunter2@name.test",
            ] {
                let run = try await ToolRun.of(["fetch"] + options + [url])
                #expect(run.code != 0)
                #expect(!(run.output + run.errors).contains("hunter2"), "\(run)")
            }
        }
    }

    @Test("running out of descriptors is reported as that, wherever it happens")
    func outOfDescriptors() async throws {
        try FixturePaths.ensureCertificates()
        let server = try LoopbackServer(.init(tls: FixturePaths.certificate("leaf")))
        defer { server.stop() }
        var kinds: [String] = []
        for limit in 8...24 {
            let record = try await ToolRun.record(
                descriptors: limit,
                [
                    "fetch", "--json", "--cacert", FixturePaths.pem("ca"),
                    "https://127.0.0.1:\(server.port)/",
                ])
            guard let record else { continue }
            let error = record["error"] as? [String: Any]
            kinds.append(error?["kind"] as? String ?? "none")
        }
        #expect(kinds.contains("resource"))
        #expect(kinds.contains("none"))
        #expect(Set(kinds) == ["resource", "none"], "\(kinds)")
    }

    @Test("fields keep their order in a record, several of one name apart")
    func fieldsInOrder() async throws {
        let peer = try ScriptedPeer(everyConnection: [
            .expectHead,
            .sendText("HTTP/1.1 200 OK\r\nB: 1\r\nA: 2\r\nb: 3\r\nContent-Length: 0\r\n\r\n"),
        ])
        defer { peer.stop() }
        let run = try await fetch("--json", "http://127.0.0.1:\(peer.port)/")
        let fields = try run.records().first?["fields"] as? [[String]]
        #expect(fields == [["B", "1"], ["A", "2"], ["b", "3"], ["Content-Length", "0"]])
    }

    @Test("TLS is reported, and a client's certificate is presented on request")
    func certificates() async throws {
        try FixturePaths.ensureCertificates()
        try await withOrigin(tls: true) { options in
            options.clientCA = FixturePaths.pem("ca")
        } _: { origin in
            let url = "https://localhost:\(origin.port)/"
            let refused = try await fetch("--json", url)
            #expect(refused.code == 1)
            let run = try await fetch(
                "--json", "--http2", "--cert", FixturePaths.pem("client"), "--key",
                FixturePaths.certificate("client").key, url)
            #expect(run.code == 0, "\(run.errors)")
            let tls = try run.records().first?["tls"] as? [String: Any]
            #expect(tls?["version"] as? String == "TLSv1.3")
            #expect(tls?["alpn"] as? String == "h2")
            #expect(tls?["resumed"] as? Bool == false)
            #expect((tls?["cipher"] as? String)?.isEmpty == false)
        }
    }

    @Test("--no-alpn offers nothing, --http1 offers one, neither speaks HTTP/2")
    func protocols() async throws {
        try await withOrigin(tls: true) { origin in
            let url = "https://localhost:\(origin.port)/"
            for (option, version, alpn) in [
                ("--no-alpn", "1.1", nil), ("--http1", "1.1", "http/1.1"), ("--http2", "2", "h2"),
            ] as [(String, String, String?)] {
                let record = try await fetch("--json", option, url).records().first
                #expect(record?["http_version"] as? String == version)
                #expect((record?["tls"] as? [String: Any])?["alpn"] as? String == alpn)
            }
        }
    }

    @Test("a failure's record says what, where, how far, and whether it may be sent again")
    func anError() async throws {
        try await withOrigin { origin in
            let run = try await fetch(
                "--json", "http://127.0.0.1:\(origin.port)/truncate/1000", "http://127.0.0.1:1/")
            #expect(run.code == 1)
            let records = try run.records()
            try #require(records.count == 2)
            let errors = records.map { $0["error"] as? [String: Any] ?? [:] }
            #expect(
                Set(errors[0].keys) == [
                    "kind", "phase", "message", "replay", "bytes_sent", "bytes_received", "proxy",
                    "connection_end",
                ])
            let end = try #require(errors[0]["connection_end"] as? [String: Any])
            #expect(end["sign"] as? String == "fin")
            #expect(errors[1]["connection_end"] is NSNull)
            #expect(errors[0]["kind"] as? String == "truncated")
            #expect(errors[0]["phase"] as? String == "body")
            #expect(errors[0]["replay"] as? String == "responseStarted")
            // What had arrived is kept.
            #expect(records[0]["status"] as? Int == 200)
            #expect(errors[0]["bytes_received"] as? Int == records[0]["body_bytes"] as? Int)
            #expect(records.map { $0["complete"] as? Bool } == [false, false])
            #expect(errors[1]["kind"] as? String == "connect")
            #expect(errors[1]["phase"] as? String == "connect")
            #expect(errors[1]["replay"] as? String == "notSent")
        }
    }

    @Test("-H, -d and -X make the request; -i and -o say where the answer goes")
    func theRequest() async throws {
        try await withOrigin { origin in
            let url = "http://127.0.0.1:\(origin.port)/headers"
            let folder = try ServedFiles.temporaryFolder.get()
            let file = "\(folder)/fetched-\(UUID().uuidString)"
            defer { unlink(file) }
            let run = try await fetch(
                "-X", "PUT", "-H", "X-One: 1", "-H", "x-two:  2 ", "-d", "a", "-d", "b", "-i", "-o",
                file, url)
            #expect(run.code == 0, "\(run.errors)")
            #expect(run.output.isEmpty)
            let text = try String(contentsOfFile: file, encoding: .utf8)
            #expect(text.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(text.contains("PUT /headers HTTP/1.1"))
            #expect(text.contains("X-One: 1\r\nx-two: 2\r\n"))
            #expect(text.contains("Content-Length: 3"))
            let bad = try await fetch("-H", "X-One: a\r\nX-Two: b", url)
            #expect(bad.code != 0 && bad.errors.contains("X-One"), "\(bad.errors)")
        }
    }

    @Test("--resolve, --fresh and --isolation say which connection is used")
    func whichConnection() async throws {
        try await withOrigin { origin in
            let url = "http://name.test:\(origin.port)/"
            let resolved = ["--json", "--resolve", "name.test:\(origin.port):127.0.0.1", url]
            let shared = try await ToolRun.of(["fetch", "--repeat", "3"] + resolved)
            #expect(shared.code == 0, "\(shared.errors)")
            #expect(try shared.records().map { $0["reused"] as? Bool } == [false, true, true])
            let fresh = try await ToolRun.of(["fetch", "--repeat", "2", "--fresh"] + resolved)
            #expect(try fresh.records().map { $0["reused"] as? Bool } == [false, false])
            let scoped = try await ToolRun.of(
                ["fetch", "-v", "--isolation", "secret-scope"] + resolved)
            #expect(scoped.code == 0)
            #expect(!scoped.errors.contains("secret-scope"), "a scope is shown as a digest")
        }
    }

    @Test("--urls-from reads a file or the standard input; no URL at all is an error")
    func urlLists() async throws {
        try await withOrigin { origin in
            let url = "http://127.0.0.1:\(origin.port)/bytes/"
            let list = "# a comment\n\n\(url)1\n  \(url)2 and words\n"
            let run = try await ToolRun.of(["fetch", "--json", "--urls-from", "-"], input: list)
            #expect(run.code == 0, "\(run.errors)")
            #expect(try run.records().compactMap { $0["body_bytes"] as? Int } == [1, 2])
            let folder = try ServedFiles.temporaryFolder.get()
            let file = "\(folder)/urls-\(UUID().uuidString)"
            defer { unlink(file) }
            try (list + "\(url)3\n").write(toFile: file, atomically: true, encoding: .utf8)
            let many = try await ToolRun.of(
                ["fetch", "--json", "--concurrency", "2", "--urls-from", file])
            #expect(try many.records().count == 3)
            let none = try await ToolRun.of(["fetch", "--urls-from", "-"], input: "# nothing\n")
            #expect(none.code != 0 && none.errors.contains("no URL"), "\(none.errors)")
        }
    }

    @Test("-m and --connect-timeout bound the exchange")
    func budgets() async throws {
        try await withOrigin { origin in
            let run = try await fetch("--json", "-m", "0.2", "http://127.0.0.1:\(origin.port)/hang")
            #expect(run.code == 1)
            let error = try run.records().first?["error"] as? [String: Any]
            #expect(error?["kind"] as? String == "timeout")
            #expect(error?["phase"] as? String == "total")
        }
        let full = try FullListener()
        let run = try await fetch(
            "--json", "--connect-timeout", "0.2", "http://127.0.0.1:\(full.port)/")
        let error = try run.records().first?["error"] as? [String: Any]
        #expect(error?["kind"] as? String == "timeout")
        #expect(error?["phase"] as? String == "connect")
    }

    private func fetch(_ arguments: String...) async throws -> ToolRun {
        try await ToolRun.of(["fetch", "--cacert", FixturePaths.pem("ca")] + arguments)
    }

    private func withOrigin(
        tls isTLS: Bool = false, configure: (inout LoopbackServer.Options) -> Void = { _ in },
        _ body: (LoopbackServer) async throws -> Void
    ) async throws {
        try FixturePaths.ensureCertificates()
        var options = LoopbackServer.Options(tls: isTLS ? FixturePaths.certificate("leaf") : nil)
        configure(&options)
        let origin = try LoopbackServer(options)
        defer { origin.stop() }
        try await body(origin)
    }
}
