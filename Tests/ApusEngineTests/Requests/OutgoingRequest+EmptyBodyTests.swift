import ApusConnection
import ApusCore
@testable import ApusEngine
import ApusSocket
import HTTPTypes
import Testing

/// Bodies that are declared to have no bytes are heard out before anything is sent.
@Suite(.timeLimit(.minutes(5))) struct OutgoingRequestEmptyBodyTests {
    private struct Broken: Error {}

    /// The error of hearing a producer out that gives these pieces and then ends, throws or goes on
    /// for ever.
    private func error(
        of pieces: [Bytes], then end: @escaping @Sendable () async throws -> Void = {},
        started: Deadline = .now(), isCancelled: Bool = false
    ) async throws -> (TransportError?, OutgoingRequest) {
        var options = RequestOptions()
        options.totalTimeout = .seconds(100_000)
        let body = RequestBody.oneShot(length: 0) {
            AsyncThrowingStream<Bytes, any Error> { continuation in
                let task = Task {
                    for piece in pieces { continuation.yield(piece) }
                    do {
                        try await end()
                        continuation.finish()
                    } catch {
                        continuation.finish(throwing: error)
                    }
                }
                continuation.onTermination = { _ in task.cancel() }
            }
        }
        let request = try request(.post, body: body, options: options)
        let task = Task { () -> TransportError? in
            do throws(TransportError) {
                try await request.hearBodyOut(started)
                return nil
            } catch {
                return error
            }
        }
        if isCancelled { task.cancel() }
        return (await task.value, request)
    }

    /// Ends with the task only.
    private static let forever: @Sendable () async throws -> Void = {
        try await Task.sleep(for: .seconds(1_000_000))
    }

    @Test(arguments: [[], [Bytes.empty, .empty]])
    func aBodyWithoutBytesIsLetGo(_ pieces: [Bytes]) async throws {
        let (error, request) = try await error(of: pieces)
        #expect(error == nil)
        if case .segments(let segments) = request.content.content {
            #expect(segments.isEmpty)
        } else {
            Issue.record("the producer is still there")
        }
    }

    @Test func aBodyWithAByteIsInvalid() async throws {
        let (error, request) = try await error(of: [.empty, Bytes("x")], then: Self.forever)
        #expect(error?.invalidRequest?.field == "body")
        #expect(error?.route == request.route)
        #expect(error?.replay == .notSent)
    }

    @Test func aProducersErrorIsReported() async throws {
        let (error, request) = try await error(of: []) { throw Broken() }
        #expect(error?.kind == .producerFailed)
        #expect(error?.producerError is Broken)
        #expect(error?.route == request.route)
    }

    @Test func theRequestsDeadlineEndsTheWait() async throws {
        let long = Deadline.now().advanced(by: .seconds(-200_000))
        let (error, _) = try await error(of: [], then: Self.forever, started: long)
        #expect(error?.kind == .timeout)
        #expect(error?.phase == .total)
    }

    @Test func theTasksCancellationEndsTheWait() async throws {
        let (error, _) = try await error(of: [], then: Self.forever, isCancelled: true)
        #expect(error?.kind == .cancelled)
        #expect(error?.phase == .request)
    }
}
