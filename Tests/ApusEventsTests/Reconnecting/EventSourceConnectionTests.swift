import Apus
import ApusEvents
import Loopback
import Testing

/// An event source over an engine, whose peer breaks off, and whose reader leaves.
@Suite(.timeLimit(.minutes(5))) struct EventSourceConnectionTests {
    private static let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

    private static func chunk(_ text: String) -> String {
        String(text.utf8.count, radix: 16) + "\r\n" + text + "\r\n"
    }

    private func isCancelled(_ task: Task<EventSourceError?, Never>) async -> Bool {
        guard case .transport(let error) = await task.value else { return false }
        return error.isCancelled
    }

    /// Reads until the source fails, and reports each event.
    private func read(
        _ source: EventSource, _ report: @escaping @Sendable (ServerSentEvent) -> Void
    ) -> Task<EventSourceError?, Never> {
        Task {
            do throws(EventSourceError) {
                for try await event in source { report(event) }
            } catch {
                return error
            }
            return nil
        }
    }

    @Test func theLastIDIsSentAfterTheConnectionBroke() async throws {
        let peer = try ScriptedPeer([
            [
                .expectHead, .sendText(Self.head + Self.chunk("id: 7\ndata: a\n\ndata: cut")),
                .waitForSignal("break"), .reset,
            ],
            [
                .expectHead, .sendText(Self.head + Self.chunk("data: b\n\n") + "0\r\n\r\n"),
                .expectHead, .sendText("HTTP/1.1 204 No Content\r\n\r\n"), .readUntilEnd,
            ],
        ])
        defer { peer.stop() }
        let engine = try TransportEngine(.executor)
        let request = try HTTPRequest.get("http://127.0.0.1:\(peer.port)/events")
        var events: [ServerSentEvent] = []
        for try await event in EventSource(engine, request, clock: InstantClock()) {
            if events.isEmpty { peer.release("break") }
            events.append(event)
        }
        #expect(events == [event("a", id: "7"), event("b", id: "7")])
        #expect(
            await peer.connection(1) { transcript in
                transcript.text.lowercased().split(separator: "last-event-id: 7\r\n").count == 3
            })
        await engine.shutdown(drain: .zero)
    }

    /// The read of an open and silent stream ends at once, and so does its connection.
    @Test func cancellingAnOpenStreamEndsItAndItsConnection() async throws {
        let peer = try ScriptedPeer([
            [.expectHead, .sendText(Self.head + Self.chunk("data: a\n\n")), .readUntilEnd]
        ])
        defer { peer.stop() }
        let engine = try TransportEngine(.executor)
        let request = try HTTPRequest.get("http://127.0.0.1:\(peer.port)/events")
        let (arrivals, arrival) = AsyncStream.makeStream(of: ServerSentEvent.self)
        let task = read(EventSource(engine, request)) { arrival.yield($0) }
        for await first in arrivals {
            #expect(first == event("a"))
            break
        }
        task.cancel()
        #expect(await isCancelled(task))
        #expect(await peer.connection(0) { $0.steps == 3 })
        await engine.shutdown(drain: .zero)
    }

    @Test func cancellingAWaitForTheHeadEndsIt() async throws {
        let peer = try ScriptedPeer([[.expectHead, .signal("asked"), .readUntilEnd]])
        defer { peer.stop() }
        let engine = try TransportEngine(.executor)
        let request = try HTTPRequest.get("http://127.0.0.1:\(peer.port)/events")
        let task = read(EventSource(engine, request)) { _ in }
        #expect(await peer.signal("asked"))
        task.cancel()
        #expect(await isCancelled(task))
        await engine.shutdown(drain: .zero)
    }

    /// Leaving the loop releases the stream, and the next connection is never made.
    @Test func leavingTheLoopEndsTheConnection() async throws {
        let peer = try ScriptedPeer([
            [.expectHead, .sendText(Self.head + Self.chunk("data: a\n\n")), .readUntilEnd]
        ])
        defer { peer.stop() }
        let engine = try TransportEngine(.executor)
        let request = try HTTPRequest.get("http://127.0.0.1:\(peer.port)/events")
        for try await event in EventSource(engine, request) where event.text == "a" { break }
        #expect(await peer.connection(0) { $0.steps == 3 })
        await engine.shutdown(drain: .zero)
    }
}
