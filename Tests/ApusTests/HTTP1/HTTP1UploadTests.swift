import Apus
import Foundation
import Loopback
import Testing

/// A body that is not as long as it says is an error, and the connection of no more use.
@Suite(.timeLimit(.minutes(5))) struct HTTP1UploadTests {
    /// A body and how it differs from what it declares.
    struct Lie: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let body: @Sendable () throws -> RequestBody
        /// What the peer may have seen of it at most.
        let most: Int
        let hint: String
    }

    static let lies: [Lie] = [
        Lie(
            testDescription: "a stream that ends early",
            body: { .stream(length: 10) { Pieces([Bytes("hello")]) } }, most: 5,
            hint: "ended 5 bytes before"),
        Lie(
            testDescription: "a stream without a byte",
            body: { .stream(length: 10) { Pieces([]) } }, most: 0, hint: "ended 10 bytes before"),
        Lie(
            testDescription: "a piece that goes beyond",
            body: { .stream(length: 10) { Pieces([Bytes("hello"), Bytes("hello!")]) } }, most: 5,
            hint: "more bytes"),
        Lie(
            testDescription: "one piece too many",
            body: { .stream(length: 10) { Pieces([Bytes("0123456789"), Bytes("x")]) } },
            most: 10, hint: "more bytes"),
        Lie(
            testDescription: "a file that is shorter",
            body: { .file(path: try file(of: 5), length: 10) }, most: 5, hint: "before"),
        Lie(
            testDescription: "a file that is longer",
            body: { .file(path: try file(of: 20), length: 10) }, most: 10, hint: "more bytes"),
    ]

    @Test(arguments: lies)
    func aBodyOfAnotherLengthIsAnErrorAndCloses(_ lie: Lie) async throws {
        try await withFaultStand([[.expectHead, .readUntilEnd]]) { stand in
            let body = try lie.body()
            let error = await transportError {
                _ = try await stand.engine.send(stand.request(.post), body: body)
            }
            guard case .invalidRequest(let invalid)? = error?.kind else {
                Issue.record("not reported: \(String(describing: error))")
                return
            }
            #expect(invalid.field == "body")
            #expect(invalid.reason.contains(lie.hint), "\(invalid.reason)")
            #expect(await stand.peer.connection(0) { $0.isClosed })
            let text = stand.peer.transcript(0).text
            #expect(text.contains("Content-Length: 10\r\n"))
            let sent = text.components(separatedBy: "\r\n\r\n").last?.utf8.count ?? 0
            #expect(sent <= lie.most)
            #expect(stand.closes.all == [.requestUnfinished])
            try await stand.expectGoodExchange(onConnection: 1)
        }
    }

    @Test func aFileThatIsNotThereFailsAsItsProducer() async throws {
        try await withFaultStand([[.expectHead, .readUntilEnd]]) { stand in
            let error = await transportError {
                _ = try await stand.engine.send(
                    stand.request(.post), body: .file(path: "/no/such/file", length: 10))
            }
            #expect(error?.kind == .producerFailed)
            #expect(error?.producerError.map { "\($0)" }?.contains("open") == true)
            #expect(stand.closes.all == [.requestUnfinished])
            try await stand.expectGoodExchange(onConnection: 1)
        }
    }

    /// The file has no end: a reader that continues never releases it.
    @Test(arguments: [false, true])
    func aRefusedFileIsReadNoFurther(isHTTP2: Bool) async throws {
        try await withStand(isHTTP2 ? .http2PriorKnowledge : .http1) { stand in
            let response = try await stand.client.send(
                .post(stand.url("/early/403")),
                body: .file(path: "/dev/zero", length: 1 << 40))
            #expect(response.status.code == 403)
            try await eventually("the file is closed") {
                let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd"))
                return names?.contains {
                    let path = "/proc/self/fd/\($0)"
                    let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path)
                    return target == "/dev/zero"
                } == false
            }
        }
    }

    @Test func aFileGoesOutWhole() async throws {
        let size = 300_000
        try await withStand(.http1) { stand in
            let response = try await stand.client.send(
                .post(stand.url("/echo")),
                body: .file(path: Self.file(of: size), length: UInt64(size)))
            #expect(try await checkPattern(response.body) == size)
        }
    }

    /// A file of the loopback origin's pattern, in the system's temporary folder.
    private static func file(of size: Int) throws -> String {
        let path = FileManager.default.temporaryDirectory.path + "/apus-\(UUID().uuidString)"
        try Data(BodyPattern.bytes(size)).write(to: URL(fileURLWithPath: path))
        return path
    }
}
