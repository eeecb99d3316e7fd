import Apus
import ApusWebSocket

/// A frame by hand, so that a mistake of the writer cannot cancel out.
func wire(
    _ opcode: UInt8, _ payload: [UInt8] = [], fin: Bool = true, reserved: UInt8 = 0,
    mask: [UInt8]? = nil
) -> [UInt8] {
    var bytes = [(fin ? 0x80 : 0) | reserved << 4 | opcode]
    let masked: UInt8 = mask == nil ? 0 : 0x80
    switch payload.count {
    case 0..<126: bytes.append(masked | UInt8(payload.count))
    case 126...0xFFFF:
        bytes += [masked | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
    default:
        bytes.append(masked | 127)
        for shift in stride(from: 56, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: payload.count >> shift))
        }
    }
    guard let mask else { return bytes + payload }
    return bytes + mask + payload.enumerated().map { $1 ^ mask[$0 % 4] }
}

func wire(_ opcode: UInt8, _ text: String, fin: Bool = true) -> [UInt8] {
    wire(opcode, Array(text.utf8), fin: fin)
}

/// A Close frame.
func closeFrame(_ code: UInt16?, _ reason: [UInt8] = []) -> [UInt8] {
    wire(8, (code.map { [UInt8($0 >> 8), UInt8($0 & 0xFF)] } ?? []) + reason)
}

/// What a machine made of some bytes.
struct Played: Hashable, CustomStringConvertible {
    var events: [WebSocketMachine.Event] = []
    var fault: WebSocketFault?
    /// The control frames that were due at the end, with the masking key 0.
    var due: [UInt8] = []

    var description: String {
        "\(events) \(fault.map { "\($0.code) \($0.message)" } ?? "no fault") \(due)"
    }

    var messages: [WebSocketMessage] {
        events.compactMap { if case .message(let message) = $0 { message } else { nil } }
    }

    var close: WebSocketClose? {
        if case .closed(let close)? = events.last { close } else { nil }
    }
}

extension WebSocketMachine.Limits {
    static let test = Self(frame: 1 << 20, message: 1 << 20, sentFrame: 1 << 20)
}

/// Plays bytes in these pieces to a new machine.
func play(
    _ pieces: [[UInt8]], role: WebSocketMachine.Role = .client,
    limits: WebSocketMachine.Limits = .test, agreement: DeflateAgreement? = nil
) -> Played {
    var machine = WebSocketMachine(role, limits: limits, agreement: agreement)
    var played = Played()
    for piece in pieces where played.fault == nil {
        machine.bytesReceived(Bytes(piece))
        do throws(WebSocketFault) {
            while let event = try machine.nextEvent() { played.events.append(event) }
        } catch {
            played.fault = error
        }
    }
    while let frame = machine.nextControl(mask: 0) { played.due += frame }
    return played
}

/// Every way to play bytes: whole, byte by byte, and in two pieces, cut at every offset, or at many
/// when there are very many.
func everySplit(_ bytes: [UInt8]) -> [[[UInt8]]] {
    let step = max(1, bytes.count / 300)
    var ways = [[bytes], bytes.map { [$0] }]
    for cut in stride(from: 1, to: bytes.count, by: step) {
        ways.append([Array(bytes[..<cut]), Array(bytes[cut...])])
    }
    return ways
}

/// Plays bytes at every split and returns what the first way gave; `others` are the ways that gave
/// anything else.
func playEverywhere(
    _ bytes: [UInt8], role: WebSocketMachine.Role = .client,
    limits: WebSocketMachine.Limits = .test, agreement: DeflateAgreement? = nil
) -> (Played, others: Int) {
    let all = everySplit(bytes).map {
        play($0, role: role, limits: limits, agreement: agreement)
    }
    return (all[0], all.count { $0 != all[0] })
}

/// What a client's control frame with the masking key 0 looks like.
func due(_ opcode: UInt8, _ payload: [UInt8] = []) -> [UInt8] {
    wire(opcode, payload, mask: [0, 0, 0, 0])
}

/// Bytes without a pattern, the same in each run (SplitMix64).
struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(_ seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}
