import Apus
import ApusEvents
import Glibc

// What lines and events cost beside memchr over the same bytes. `Benchmarks/micro` runs it.

/// The CPU time of this process.
private func nanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// A stream, cut into pieces with a storage of their own, as a socket delivers them.
private struct Stream {
    let name: String
    let pieces: [Bytes]
    let lines: Int

    init(_ name: String, _ text: [UInt8], pieceLength: Int) {
        self.name = name
        lines = text.count { $0 == 0x0A }
        pieces = stride(from: 0, to: text.count, by: pieceLength).map { start in
            Bytes(Array(text[start..<min(text.count, start + pieceLength)]))
        }
    }
}

/// Events as language models send them: a type, then 100 to 400 bytes of data.
private func tokens(end: String) -> [UInt8] {
    var text: [UInt8] = []
    var state: UInt64 = 1
    while text.count < 1 << 20 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        text += Array("event: content_block_delta\(end)data: {\"text\":\"".utf8)
        text += [UInt8](repeating: 0x61, count: 80 + Int(state >> 33 % 300))
        text += Array("\"}\(end)\(end)".utf8)
    }
    return text
}

/// Events of one long line.
private func longLines(_ length: Int) -> [UInt8] {
    var text: [UInt8] = []
    while text.count < 8 << 20 {
        text += Array("data: ".utf8) + [UInt8](repeating: 0x61, count: length) + Array("\n\n".utf8)
    }
    return text
}

/// The line feeds, by memchr alone.
private func searchAlone(_ stream: Stream) -> Int {
    var count = 0
    for piece in stream.pieces {
        count +=
            piece.withContiguousStorageIfAvailable { bytes in
                guard var position = UnsafeRawPointer(bytes.baseAddress) else { return 0 }
                let end = position + bytes.count
                var found = 0
                while let next = memchr(position, 0x0A, end - position) {
                    found += 1
                    position = UnsafeRawPointer(next) + 1
                }
                return found
            } ?? 0
    }
    return count
}

/// The ends of lines of either kind, without making lines.
private func searchForEnds(_ stream: Stream) -> Int {
    var count = 0
    for piece in stream.pieces {
        var search = LineEndSearch()
        var position = 0
        while case let end = search.nextEnd(in: piece, from: position), end < piece.count {
            count += 1
            position = end + 1
        }
    }
    return count
}

private func lines(_ stream: Stream) -> Int {
    var scanner = LineScanner()
    var count = 0
    for piece in stream.pieces {
        scanner.bytesReceived(piece)
        while let line = try? scanner.nextLine() { count += line.count >= 0 ? 1 : 0 }
    }
    return count
}

private func events(_ stream: Stream) -> Int {
    var parser = ServerSentEventParser()
    var count = 0
    for piece in stream.pieces {
        parser.bytesReceived(piece)
        while let event = try? parser.nextEvent() { count += event.data.count >= 0 ? 1 : 0 }
    }
    return count
}

/// The pieces as a sequence that never waits.
private struct Pieces: AsyncSequence {
    struct Iterator: AsyncIteratorProtocol {
        var rest: ArraySlice<Bytes>

        mutating func next() async -> Bytes? { rest.popFirst() }
        mutating func next(isolation actor: isolated (any Actor)?) async -> Bytes? {
            rest.popFirst()
        }
    }

    let stream: Stream

    func makeAsyncIterator() -> Iterator { Iterator(rest: stream.pieces[...]) }
}

private func sequence(_ stream: Stream) async -> Int {
    var events = Pieces(stream: stream).serverSentEvents().makeAsyncIterator()
    var count = 0
    while let event = try? await events.next() { count += event.data.count >= 0 ? 1 : 0 }
    return count
}

/// The least time of eleven rounds.
private func least(_ stream: Stream, _ body: (Stream) async -> Int) async -> (UInt64, Int) {
    var best = UInt64.max
    var count = 0
    for _ in 0..<11 {
        let start = nanoseconds()
        count = await body(stream)
        best = min(best, nanoseconds() - start)
    }
    return (best, count)
}

private let sse = tokens(end: "\n")
private let streams = [
    Stream("events of 100 to 400 B, pieces of 300 B", sse, pieceLength: 300),
    Stream("events of 100 to 400 B, pieces of 16 KiB", sse, pieceLength: 16 << 10),
    Stream("the same with CRLF, pieces of 16 KiB", tokens(end: "\r\n"), pieceLength: 16 << 10),
    Stream("lines of 4 KiB, pieces of 16 KiB", longLines(4 << 10), pieceLength: 16 << 10),
    Stream("lines of 1 MiB, pieces of 16 KiB", longLines(1 << 20), pieceLength: 16 << 10),
]

/// Prints a row: memchr's time, and those of each of our readers as a ratio to it.
private func printRow(_ stream: Stream) async {
    let (alone, count) = await least(stream, searchAlone)
    precondition(count == stream.lines)
    var row = "| \(stream.name) | \(alone / UInt64(count)) ns |"
    func add(_ time: UInt64) {
        let ratio = Double(time) / Double(alone)
        row += " \((ratio * 100).rounded() / 100) (\(time / UInt64(count)) ns) |"
    }
    for body in [searchForEnds, lines, events] { add(await least(stream, body).0) }
    add(await least(stream, sequence).0)
    print(row)
}

print("| stream; times a line | memchr for LF | search | lines | events | sequence |")
print("|---|---|---|---|---|---|")
for stream in streams { await printRow(stream) }
