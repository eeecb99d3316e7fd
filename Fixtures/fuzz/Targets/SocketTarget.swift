import Apus
import ApusWebSocket

/// What a web-socket peer sends, whole, byte by byte and in pieces, must give the same messages,
/// fault and answers.
///
/// And messages of one side to the other must arrive as they were sent.
///
/// An input is a seed, a byte of settings, and then frames (first byte, length, payload), bytes as
/// they are, or messages (kind, length, content), as the settings say.
enum SocketTarget {
    private struct Settings {
        let role: WebSocketMachine.Role
        let agreement: DeflateAgreement?
        let limits: WebSocketMachine.Limits

        init(_ bits: UInt8) {
            role = bits & 1 == 0 ? .client : .server
            var agreement = DeflateAgreement()
            agreement.clientContextTakeover = bits & 4 == 0
            agreement.serverContextTakeover = bits & 4 == 0
            agreement.clientWindowBits = bits & 8 == 0 ? 15 : 9
            agreement.serverWindowBits = bits & 8 == 0 ? 15 : 9
            self.agreement = bits & 2 == 0 ? nil : agreement
            limits = .init(frame: 300, message: 500, sentFrame: bits & 16 == 0 ? 300 : 7)
        }
    }

    /// What a machine made of the bytes.
    private struct Outcome: Equatable {
        var events: [WebSocketMachine.Event] = []
        var fault: WebSocketFault?
        var due: [UInt8] = []
    }

    static func play(_ input: [UInt8]) {
        var choices = Choices(input)
        let seed = choices.byte()
        let bits = choices.byte()
        let settings = Settings(bits)
        switch bits >> 6 {
        case 0, 1: receive(frames(&choices, settings.role), settings, seed)
        case 2: receive(choices.rest(), settings, seed)
        default: pass(&choices, settings, seed)
        }
    }

    private static func frames(
        _ choices: inout Choices, _ role: WebSocketMachine.Role
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        while !choices.isAtEnd {
            let first = choices.byte()
            let payload = choices.take(Int(choices.byte()))
            let masked: UInt8 = role == .server ? 0x80 : 0
            bytes.append(first)
            if payload.count < 126 {
                bytes.append(masked | UInt8(payload.count))
            } else {
                bytes += [masked | 126, 0, UInt8(payload.count)]
            }
            // A key of zeros leaves the payload as it is.
            if role == .server { bytes += [0, 0, 0, 0] }
            bytes += payload
        }
        return bytes
    }

    private static func receive(_ bytes: [UInt8], _ settings: Settings, _ seed: UInt8) {
        var first: Outcome?
        for cut in Cut.all(seed: seed) {
            let outcome = outcome(of: bytes, settings, cut)
            if let first {
                precondition(first == outcome, "\(cut): \(outcome)\nis not: \(first)")
            }
            first = outcome
        }
    }

    private static func outcome(of bytes: [UInt8], _ settings: Settings, _ cut: Cut) -> Outcome {
        var machine = WebSocketMachine(
            settings.role, limits: settings.limits, agreement: settings.agreement)
        var outcome = Outcome()
        for piece in cut.pieces(of: bytes) where outcome.fault == nil {
            machine.bytesReceived(Bytes(Array(piece)))
            do throws(WebSocketFault) {
                while let event = try machine.nextEvent() { outcome.events.append(event) }
            } catch {
                precondition(error.code.maySend, "a fault of a code that is never sent")
                outcome.fault = error
            }
        }
        for case .message(let message) in outcome.events {
            let count =
                switch message {
                case .text(let text): text.utf8.count
                case .binary(let bytes): bytes.count
                }
            precondition(count <= settings.limits.message, "a message beyond the limit")
        }
        while let frame = machine.nextControl(mask: 0) { outcome.due += frame }
        precondition(!machine.hasControl, "control frames are due that are not made")
        return outcome
    }

    private static func pass(_ choices: inout Choices, _ settings: Settings, _ seed: UInt8) {
        var sender = WebSocketMachine(
            settings.role, limits: settings.limits, agreement: settings.agreement)
        var receiver = WebSocketMachine(
            settings.role == .client ? .server : .client, limits: settings.limits,
            agreement: settings.agreement)
        var mask: UInt32 = 0
        while !choices.isAtEnd {
            let isText = choices.bool()
            let content = choices.take(Int(choices.byte()))
            let message: WebSocketMessage =
                isText ? .text(String(decoding: content, as: UTF8.self)) : .binary(Bytes(content))
            // Ill-formed parts become three bytes each, beyond the limit at most.
            if case .text(let text) = message, text.utf8.count > 250 { continue }
            var outgoing = sender.start(message)
            var events: [WebSocketMachine.Event] = []
            while !outgoing.isDone {
                mask = mask &* 1_664_525 &+ 1_013_904_223
                let frame = outgoing.nextFrame(mask: settings.role == .client ? mask : nil)
                for piece in Cut.random(seed).pieces(of: frame.array) {
                    receiver.bytesReceived(Bytes(Array(piece)))
                    do throws(WebSocketFault) {
                        while let event = try receiver.nextEvent() { events.append(event) }
                    } catch {
                        preconditionFailure("what one side sent is refused: \(error)")
                    }
                }
            }
            precondition(events == [.message(message)], "\(events) is not \(message)")
        }
    }
}
