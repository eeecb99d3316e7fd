import Glibc

/// Everything that can be fuzzed, by the name that `FUZZ_TARGET` gives.
///
/// All targets are in one program, which plays the one that its environment names.
enum FuzzTarget: String, CaseIterable {
    case head, connection, chunked, encoder, session, frames, tunnel, texts, pool, events, content
    case socket

    /// The one that this process was started for.
    static let chosen: FuzzTarget = {
        let name = getenv("FUZZ_TARGET").map { String(cString: $0) } ?? ""
        guard let target = FuzzTarget(rawValue: name) else {
            preconditionFailure("FUZZ_TARGET is none of \(allCases.map(\.rawValue))")
        }
        return target
    }()

    /// Plays one input; a rule that does not hold stops the process.
    func play(_ input: [UInt8]) {
        switch self {
        case .head: HeadTarget.play(input)
        case .connection: ConnectionTarget.play(input)
        case .chunked: ChunkedTarget.play(input)
        case .encoder: EncoderTarget.play(input)
        case .session: SessionTarget.play(input)
        case .frames: FramesTarget.play(input)
        case .tunnel: TunnelTarget.play(input)
        case .texts: TextsTarget.play(input)
        case .pool: PoolTarget.play(input)
        case .events: EventsTarget.play(input)
        case .content: ContentTarget.play(input)
        case .socket: SocketTarget.play(input)
        }
    }
}

/// What libFuzzer calls with each input that it makes up.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    FuzzTarget.chosen.play(Array(UnsafeBufferPointer(start: start, count: count)))
    return 0
}
