import Apus
import ApusContent

/// Content by the decoder, in three ways, and by the encoder and back.
///
/// An input is the codings, a seed for the cut, and the content.
enum ContentTarget {
    private static let maxBytes: UInt64 = 256 * 1024

    static func play(_ input: [UInt8]) {
        var choices = Choices(input)
        let codings = self.codings(choices.byte())
        let seed = choices.byte()
        let bytes = choices.rest()
        let whole = decode(bytes, codings, .whole)
        for cut in Cut.all(seed: seed).dropFirst() {
            let other = decode(bytes, codings, cut)
            // The library of br gives up what it made of the input of the call that fails.
            if codings.contains(.brotli), whole.error != nil {
                precondition(other.error != nil, "\(cut): no error")
            } else {
                precondition(whole.output == other.output, "\(cut): other output")
                precondition(whole.error?.kind == other.error?.kind, "\(cut): another error")
            }
        }
        guard let coding = codings.first, coding != .brotli else { return }
        roundTrip(bytes, coding, seed)
    }

    private static func codings(_ byte: UInt8) -> [ContentCoding] {
        let all = ContentCoding.allCases
        let first = all[Int(byte) % 4]
        return byte & 0x80 == 0 ? [first] : [first, all[Int(byte >> 2) % 4]]
    }

    private static func decode(
        _ bytes: [UInt8], _ codings: [ContentCoding], _ cut: Cut
    ) -> (output: [UInt8], error: ContentError?) {
        // A ratio is that to what has come so far, thus another for each cut.
        let limits = ContentLimits(maxBytes: maxBytes, maxRatio: .max)
        var output: [UInt8] = []
        do throws(ContentError) {
            var decoder = try ContentDecoder(codings, limits: limits)
            for piece in cut.pieces(of: bytes) {
                decoder.bytesReceived(Bytes(Array(piece)))
                while let part = try decoder.nextOutput() {
                    precondition(!part.isEmpty && part.count <= ContentDecoder.maxPiece)
                    output += part.array
                }
                precondition(!decoder.isComplete, "complete before the end")
            }
            decoder.contentEnded()
            while let part = try decoder.nextOutput() { output += part.array }
            precondition(decoder.isComplete, "neither complete nor an error")
            precondition(decoder.decodedBytes == UInt64(output.count))
        } catch {
            precondition(UInt64(output.count) <= maxBytes)
            return (output, error)
        }
        precondition(UInt64(output.count) <= maxBytes)
        return (output, nil)
    }

    /// What was encoded and flushed piece by piece is what the decoder makes of it.
    private static func roundTrip(_ bytes: [UInt8], _ coding: ContentCoding, _ seed: UInt8) {
        do throws(ContentError) {
            var encoder = try ContentEncoder(coding, level: Int(seed & 7))
            var decoder = try ContentDecoder([coding])
            for piece in Cut.random(seed).pieces(of: bytes) {
                encoder.bytesReceived(Bytes(Array(piece)))
                encoder.flushRequested()
                var output: [UInt8] = []
                while let part = try encoder.nextOutput() {
                    decoder.bytesReceived(part)
                    while let part = try decoder.nextOutput() { output += part.array }
                }
                precondition(output == Array(piece), "a flushed piece is not delivered")
            }
            encoder.contentEnded()
            while let part = try encoder.nextOutput() { decoder.bytesReceived(part) }
            decoder.contentEnded()
            let late = try decoder.nextOutput()
            precondition(late == nil, "bytes after the last piece")
        } catch {
            preconditionFailure("\(error)")
        }
    }
}
