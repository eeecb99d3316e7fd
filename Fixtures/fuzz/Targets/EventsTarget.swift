import Apus
import ApusEvents

/// Lines and events, read by the machines in three ways and by a plain reader of its own.
///
/// An input is a seed, the bound of a line and of an event's data (0 is none), and the bytes.
enum EventsTarget {
    static func play(_ input: [UInt8]) {
        guard input.count >= 2 else { return }
        let maxLength = input[1] == 0 ? 1 << 20 : Int(input[1])
        let bytes = Array(input.dropFirst(2))
        for cut in Cut.all(seed: input[0]) {
            let pieces = cut.pieces(of: bytes).map { Bytes(Array($0)) }
            for ends in [LineScanner.Ends.lineFeed, .any] {
                let expected = ReferenceLines.read(bytes, ends, maxLength: maxLength)
                let found = lines(of: pieces, ends, maxLength: maxLength)
                precondition(found == expected, "\(cut), \(ends): \(found), not \(expected)")
            }
            let expected = ReferenceEvents.read(bytes, maxLength: maxLength)
            let found = events(of: pieces, maxLength: maxLength)
            precondition(found == expected, "\(cut): \(found), not \(expected)")
        }
    }

    private static func lines(
        of pieces: [Bytes], _ ends: LineScanner.Ends, maxLength: Int
    ) -> ReferenceLines {
        var scanner = LineScanner(maxLength: maxLength, ends: ends)
        var result = ReferenceLines()
        do throws(LengthExceeded) {
            for piece in pieces {
                scanner.bytesReceived(piece)
                while let line = try scanner.nextLine() { result.lines.append(line.array) }
            }
            scanner.streamEnded()
            while let line = try scanner.nextLine() { result.lines.append(line.array) }
        } catch {
            result.isTooLong = true
        }
        return result
    }

    private static func events(of pieces: [Bytes], maxLength: Int) -> ReferenceEvents {
        var parser = ServerSentEventParser(maxLength: maxLength, reportsComments: true)
        var result = ReferenceEvents()
        do throws(LengthExceeded) {
            for piece in pieces {
                parser.bytesReceived(piece)
                while let event = try parser.nextEvent() {
                    result.events.append(
                        .init(
                            isComment: event.kind == .comment, type: event.type,
                            id: event.lastEventID, data: event.data.array))
                }
            }
        } catch {
            result.isTooLong = true
        }
        result.id = parser.lastEventID
        result.retry = parser.reconnectionTime.map { "\($0)" }
        return result
    }
}

/// The lines of bytes, read byte by byte.
struct ReferenceLines: Equatable {
    var lines: [[UInt8]] = []
    var isTooLong = false

    static func read(
        _ bytes: [UInt8], _ ends: LineScanner.Ends, maxLength: Int
    ) -> ReferenceLines {
        var result = ReferenceLines()
        var line: [UInt8] = []
        var position = 0
        func finish() {
            if line.count > maxLength { result.isTooLong = true } else { result.lines.append(line) }
            line = []
        }
        while position < bytes.count, !result.isTooLong {
            let byte = bytes[position]
            let next = position + 1 < bytes.count ? bytes[position + 1] : 0
            if byte == 0x0A {
                finish()
            } else if byte == 0x0D, next == 0x0A {
                finish()
                position += 1
            } else if byte == 0x0D, ends == .any {
                finish()
            } else {
                line.append(byte)
            }
            position += 1
        }
        if !line.isEmpty, !result.isTooLong { finish() }
        return result
    }
}

/// The events of bytes, by the words of the HTML standard, section 9.2.6.
struct ReferenceEvents: Equatable {
    struct Event: Equatable {
        var isComment: Bool
        var type: String
        var id: String
        var data: [UInt8]
    }

    var events: [Event] = []
    var id = ""
    var retry: String?
    var isTooLong = false

    static func read(_ bytes: [UInt8], maxLength: Int) -> ReferenceEvents {
        var result = ReferenceEvents()
        let all = ReferenceLines.read(bytes, .any, maxLength: maxLength)
        var lines = all.lines
        // The last line counts only with its end.
        if let last = bytes.last, last != 0x0A, last != 0x0D, !all.isTooLong { lines.removeLast() }
        if let first = lines.first, first.starts(with: [0xEF, 0xBB, 0xBF]) {
            lines[0] = Array(first.dropFirst(3))
        }
        var block = Block()
        for line in lines {
            if line.isEmpty {
                result.id = block.id
                if let data = block.data {
                    let type = block.type.isEmpty ? "message" : block.type
                    result.events.append(
                        .init(isComment: false, type: type, id: block.id, data: data))
                }
                block = Block(id: block.id)
                continue
            }
            let colon = line.firstIndex(of: 0x3A)
            if colon == 0 {
                let data = Array(line.dropFirst())
                result.events.append(.init(isComment: true, type: "", id: result.id, data: data))
                continue
            }
            var value = colon.map { Array(line[($0 + 1)...]) } ?? []
            if value.first == 0x20 { value.removeFirst() }
            let name = String(decoding: line[..<(colon ?? line.count)], as: UTF8.self)
            guard block.read(name, value, maxLength, &result) else { return result }
        }
        result.isTooLong = all.isTooLong
        return result
    }

    /// The buffers of the standard.
    private struct Block {
        var id = ""
        var type = ""
        var data: [UInt8]?

        /// Whether the data is within its bound.
        mutating func read(
            _ name: String, _ value: [UInt8], _ maxLength: Int, _ result: inout ReferenceEvents
        ) -> Bool {
            switch name {
            case "data":
                let joined = data.map { $0 + [0x0A] + value } ?? value
                guard joined.count <= maxLength else {
                    result.isTooLong = true
                    return false
                }
                data = joined
            case "event": type = String(decoding: value, as: UTF8.self)
            case "id": if !value.contains(0) { id = String(decoding: value, as: UTF8.self) }
            case "retry":
                if !value.isEmpty, value.allSatisfy({ (0x30...0x39).contains($0) }) {
                    let time = Int64(String(decoding: value, as: UTF8.self)) ?? .max
                    result.retry = "\(Duration.milliseconds(time))"
                }
            default: break
            }
            return true
        }
    }
}
