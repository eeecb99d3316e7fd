import Apus
import Foundation
import Loopback
import Testing

/// The same origin answers curl and Apus alike: a check of the engine against another client.
@Suite(
    "curl", .timeLimit(.minutes(5)),
    .enabled(if: Programs.path("curl") != nil, "curl is not installed"))
struct CurlTests {
    /// One way in which both talk to the origin.
    enum Way: String, CaseIterable, CustomTestStringConvertible {
        case http1, http1OverTLS, http2OverTLS, http2PriorKnowledge

        var testDescription: String { rawValue }
        var isTLS: Bool { self == .http1OverTLS || self == .http2OverTLS }
        var isHTTP2: Bool { self == .http2OverTLS || self == .http2PriorKnowledge }

        var curlOption: String {
            switch self {
            case .http1, .http1OverTLS: "--http1.1"
            case .http2OverTLS: "--http2"
            case .http2PriorKnowledge: "--http2-prior-knowledge"
            }
        }
    }

    /// What is asked: a method, a path, and how much of the pattern goes up.
    struct Question: Sendable, CustomTestStringConvertible {
        var method = HTTPRequest.Method.get
        let path: String
        var upload: Int?

        var testDescription: String { "\(method.rawValue) \(path)" }
    }

    /// A response in the form that both clients can report.
    struct Answer: Equatable {
        var status = 0
        var fields: [String] = []
        var trailers: [String] = []
        var body = Digested([])
    }

    static let questions =
        [
            "/", "/bytes/0", "/bytes/1", "/bytes/100000", "/chunked/0", "/chunked/50000?chunk=999",
            "/trailers?n=1000", "/fields/50?size=200", "/status/200", "/status/204",
            "/status/304", "/status/404", "/status/418", "/status/500", "/sse?n=20",
            "/informational?n=2", "/delay/5", "/close", "/connection", "/no/such/route",
            "/bytes/3?query=a%20b&c=%C3%A9",
        ].map { Question(path: $0) } + [
            Question(method: .head, path: "/bytes/1000"),
            Question(method: .head, path: "/status/404"),
            Question(method: .post, path: "/echo", upload: 0),
            Question(method: .post, path: "/echo", upload: 200_000),
            Question(method: .put, path: "/sink", upload: 200_000),
            Question(method: .delete, path: "/sink"),
        ]

    @Test(arguments: Way.allCases)
    func bothAreAnsweredAlike(_ way: Way) async throws {
        try FixturePaths.ensureCertificates()
        var options = LoopbackServer.Options(
            tls: way.isTLS ? FixturePaths.certificate("leaf") : nil)
        options.http2PriorKnowledge = way == .http2PriorKnowledge
        for question in Self.questions {
            // A new origin for each client: both have its first connection.
            let ours = try LoopbackServer(options)
            defer { ours.stop() }
            let theirs = try LoopbackServer(options)
            defer { theirs.stop() }
            let answer = try await askApus(question, way, port: ours.port)
            let expected = try await askCurl(question, way, port: theirs.port)
            #expect(answer == expected, "\(question.testDescription)")
        }
    }

    private func askApus(_ question: Question, _ way: Way, port: UInt16) async throws -> Answer {
        var tuning = EngineTuning.patient
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        let engine = try TransportEngine(tuning)
        let client = ExecutorClient(
            engine, versions: way.isHTTP2 ? .http2Only : .http1Only(alpn: .http1))
        let outcome: Result<Answer, any Error>
        do {
            let request = try HTTPRequest(question.method, url: question.url(way, port: port))
            let pieces = ServedFiles.pattern(question.upload ?? 0)
            let response = try await client.send(
                request, body: .segments(pieces.map { Bytes($0) }))
            var answer = Answer(
                status: response.status.code, fields: lines(response.head.headerFields))
            answer.body = try await Digested(response.body)
            answer.trailers = lines(response.body.trailers ?? [:])
            outcome = .success(answer)
        } catch {
            outcome = .failure(error)
        }
        await engine.shutdown()
        return try outcome.get()
    }

    private func lines(_ fields: HTTPFields) -> [String] {
        fields.map { "\($0.name.canonicalName): \($0.value)" }
    }

    private func askCurl(_ question: Question, _ way: Way, port: UInt16) async throws -> Answer {
        let base = try ServedFiles.temporaryFolder.get() + "/curl-\(UUID().uuidString)"
        let (head, body, upload) = (base + ".head", base + ".body", base + ".upload")
        defer { for path in [head, body, upload, base] { unlink(path) } }
        var arguments = [
            "--silent", "--show-error", "--max-time", "20", way.curlOption, "--cacert",
            FixturePaths.pem("ca"), "--dump-header", head, "--output", body,
        ]
        arguments += question.method == .head ? ["--head"] : ["-X", question.method.rawValue]
        if let count = question.upload {
            let bytes = ServedFiles.pattern(count).flatMap { $0 }
            try Data(bytes).write(to: URL(fileURLWithPath: upload))
            // Neither field is anything that Apus would add.
            arguments += ["--data-binary", "@\(upload)", "-H", "Expect:", "-H", "Content-Type:"]
        }
        let process = try ChildProcess(
            try #require(Programs.path("curl")), arguments + [question.url(way, port: port)],
            output: base)
        let code = await process.waitForEnd()
        #expect(code == 0, "curl ended with \(code): \(tail(of: base))")
        var answer = Answer(curlHead: try String(contentsOfFile: head, encoding: .isoLatin1))
        if question.method != .head {
            let bytes = FileManager.default.contents(atPath: body) ?? Data()
            answer.body = Digested([[UInt8](bytes)])
        }
        return answer
    }
}

extension CurlTests.Question {
    fileprivate func url(_ way: CurlTests.Way, port: UInt16) -> String {
        "\(way.isTLS ? "https" : "http")://localhost:\(port)\(path)"
    }
}

extension CurlTests.Answer {
    /// Reads what `curl --dump-header` wrote: heads, each with an empty line, then trailers.
    fileprivate init(curlHead text: String) {
        var isInHead = false
        for line in text.replacing("\r\n", with: "\n").split(
            separator: "\n", omittingEmptySubsequences: false)
        {
            if line.hasPrefix("HTTP/") {
                // An informational head is forgotten when the next one begins.
                self = Self(
                    status: line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0)
                isInHead = true
            } else if line.isEmpty {
                isInHead = false
            } else {
                let parts = line.split(separator: ":", maxSplits: 1)
                let value = parts.last?.drop { $0 == " " } ?? ""
                let field = "\(parts[0].lowercased()): \(value)"
                if isInHead { fields.append(field) } else { trailers.append(field) }
            }
        }
    }
}
