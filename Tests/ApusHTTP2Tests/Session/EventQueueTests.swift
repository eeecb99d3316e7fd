import ApusCore
import Testing

@testable import ApusHTTP2

@Suite struct EventQueueTests {
    private static func append(
        _ count: Int, on stream: HTTP2StreamID, to queue: inout EventQueue
    ) {
        [UInt8](repeating: 1, count: count).withUnsafeBufferPointer {
            queue.append($0, on: stream)
        }
    }

    private static func drain(_ queue: inout EventQueue) -> [String] {
        var texts: [String] = []
        while let event = queue.next() {
            switch event {
            case .body(let stream, let bytes): texts.append("body \(stream) \(bytes.count)")
            case .closed(let stream): texts.append("closed \(stream)")
            default: texts.append("other")
            }
        }
        return texts
    }

    @Test func eventsComeOutInTheirOrder() {
        var queue = EventQueue()
        queue.append(.closed(1))
        queue.append(.closed(3))
        let first = queue.next()
        queue.append(.pingAcknowledged)
        #expect(first != nil)
        #expect(Self.drain(&queue) == ["closed 3", "other"])
    }

    @Test func bytesOfOneStreamAreJoinedUntilAnotherEvent() {
        var queue = EventQueue()
        Self.append(3, on: 1, to: &queue)
        Self.append(4, on: 1, to: &queue)
        Self.append(5, on: 3, to: &queue)
        queue.append(.closed(3))
        Self.append(6, on: 3, to: &queue)
        #expect(Self.drain(&queue) == ["body 1 7", "body 3 5", "closed 3", "body 3 6"])
    }

    @Test func aJoinedPieceHasABound() {
        var queue = EventQueue()
        let most = HTTP2Session.maxJoinedBody
        Self.append(most, on: 1, to: &queue)
        Self.append(1, on: 1, to: &queue)
        #expect(Self.drain(&queue) == ["body 1 \(most)", "body 1 1"])
    }

    @Test func anEmptyQueueHasNothing() {
        var queue = EventQueue()
        queue.flush()
        #expect(Self.drain(&queue) == [])
    }
}
