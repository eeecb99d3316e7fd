import Apus
import ApusEvents
import Testing

/// An input in pieces: whole, byte by byte, and cut at every offset.
func splits(of input: [UInt8]) -> [[Bytes]] {
    var splits = [[Bytes(input)], input.map { Bytes([$0]) }]
    for offset in 0...input.count {
        splits.append([Bytes(Array(input[..<offset])), Bytes(Array(input[offset...]))])
    }
    return splits
}

/// What a machine made of an input.
struct Outcome<Element: Equatable & Sendable>: Equatable, Sendable {
    var elements: [Element] = []
    var failure: LengthExceeded?
}

/// The lines of an input in pieces.
func lines(
    of pieces: [Bytes], maxLength: Int = 1000, ends: LineScanner.Ends = .lineFeed
) -> Outcome<String> {
    var scanner = LineScanner(maxLength: maxLength, ends: ends)
    var outcome = Outcome<String>()
    do throws(LengthExceeded) {
        for piece in pieces {
            scanner.bytesReceived(piece)
            while let line = try scanner.nextLine() { outcome.elements.append(String(line)) }
        }
        scanner.streamEnded()
        while let line = try scanner.nextLine() { outcome.elements.append(String(line)) }
    } catch {
        outcome.failure = error
    }
    return outcome
}

/// The events of an input in pieces.
func events(
    of pieces: [Bytes], maxLength: Int = 10_000, comments: Bool = false, lastEventID: String = ""
) -> Outcome<ServerSentEvent> {
    var parser = ServerSentEventParser(
        maxLength: maxLength, reportsComments: comments, lastEventID: lastEventID)
    var outcome = Outcome<ServerSentEvent>()
    do throws(LengthExceeded) {
        for piece in pieces {
            parser.bytesReceived(piece)
            while let event = try parser.nextEvent() { outcome.elements.append(event) }
        }
    } catch {
        outcome.failure = error
    }
    return outcome
}

/// An event as the tables write it.
func event(
    _ data: String, type: String = "message", id: String = ""
) -> ServerSentEvent {
    ServerSentEvent(type: type, data: Bytes(data), lastEventID: id)
}

/// The address of the first byte.
func address(of bytes: Bytes) -> UInt {
    bytes.withContiguousStorageIfAvailable { UInt(bitPattern: $0.baseAddress) } ?? 0
}

/// Expects these events of a stream, at every split.
func expect(
    _ input: String, _ expected: [ServerSentEvent],
    sourceLocation: SourceLocation = #_sourceLocation
) {
    for pieces in splits(of: Array(input.utf8)) {
        #expect(
            events(of: pieces) == Outcome(elements: expected), "\(pieces)",
            sourceLocation: sourceLocation)
    }
}
