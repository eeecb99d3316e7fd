public import ArgumentParser

/// The options of each program.
public struct ReplaySettings: ParsableArguments {
    /// A file with the authority of the peers' certificates.
    @Option public var authority: String
    /// Seconds of silence after which a PING is sent over HTTP/2; the client's default without it.
    @Option public var pingAfter: Int?
    /// Seconds for the whole of connecting; the client's default without it.
    @Option public var connectTimeout: Int?

    /// Reads the options of the command line.
    public init() {}
}
