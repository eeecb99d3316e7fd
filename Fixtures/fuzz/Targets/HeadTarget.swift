import ApusCore
import ApusHTTP1
import HTTPTypes

/// Raw bytes as the head of a response, read in three ways by the connection machine, with and
/// without each lenience.
///
/// An input is a seed, a byte of switches, and what the peer sends. What is accepted strictly is
/// accepted the same with every switch on; what is delivered holds nothing that a field may not.
enum HeadTarget {
    static func play(_ input: [UInt8]) {
        guard input.count >= 2 else { return }
        let (seed, switches) = (input[0], input[1])
        let bytes = Array(input.dropFirst(2))
        let strict = read(bytes, Cut.all(seed: seed), EngineTuning.Lenience())
        var lenience = EngineTuning.Lenience()
        lenience.foldedFields = switches & 2 != 0
        lenience.controlsInValues = switches & 4 != 0
        let lenient = read(bytes, Cut.all(seed: seed), lenience)
        if case .accepted = strict {
            precondition(lenient == strict, "a switch changes what needs none")
        }
    }

    private enum Verdict: Equatable {
        case accepted([String])
        case refused(HTTP1Error)
        case unfinished
    }

    private static func read(
        _ bytes: [UInt8], _ cuts: [Cut], _ lenience: EngineTuning.Lenience
    ) -> Verdict {
        let verdicts = cuts.map { read(bytes, $0, lenience) }
        for verdict in verdicts {
            precondition(verdict == verdicts[0], "cut otherwise, it means something else")
        }
        return verdicts[0]
    }

    private static func read(
        _ bytes: [UInt8], _ cut: Cut, _ lenience: EngineTuning.Lenience
    ) -> Verdict {
        var limits = EngineTuning.Limits()
        limits.headBytes = 1024
        limits.headFields = 20
        var machine = HTTP1Session(limits: limits, lenience: lenience)
        machine.requestStarted(method: .head, expectsClose: false, upgrade: nil)
        machine.requestFinished()
        for piece in cut.pieces(of: bytes) {
            let piece = Array(piece)
            var offset = 0
            do throws(HTTP1Error) {
                while let event = try piece.withSpan({ span throws(HTTP1Error) in
                    try machine.nextEvent(in: span, offset: &offset)
                }) {
                    if case .head(let response, _) = event { return .accepted(story(response)) }
                }
            } catch {
                return .refused(error)
            }
        }
        return .unfinished
    }

    /// The head as text, once it is seen to hold nothing that it may not.
    private static func story(_ response: HTTPResponse) -> [String] {
        precondition((100...999).contains(response.status.code))
        let reason = response.status.reasonPhrase.unicodeScalars
        precondition(
            reason.allSatisfy { $0.value == 9 || ($0.value >= 0x20 && $0.value != 0x7F) },
            "a control byte in the reason")
        var story = ["\(response.status.code) \(response.status.reasonPhrase)"]
        for field in response.headerFields {
            let name = Array(field.name.rawName.utf8)
            precondition(!name.isEmpty && name.allSatisfy(ReferenceChunks.isTokenByte))
            let value = field.withUnsafeBytesOfValue { [UInt8]($0) }
            precondition(
                value.allSatisfy { $0 == 0x09 || ($0 >= 0x20 && $0 != 0x7F) }, "a control byte")
            let ends = [value.first, value.last].compactMap { $0 }
            precondition(ends.allSatisfy { $0 != 0x20 && $0 != 0x09 }, "blanks around a value")
            story.append("\(field.name.rawName): \(value)")
        }
        return story
    }
}
