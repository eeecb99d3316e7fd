import Apus

/// What the workers of `apus load` send, made before anything is measured.
struct LoadPlan: Sendable {
    /// One per URL; requests take turns.
    let requests: [HTTPRequest]
    let body: RequestBody
    let proxy: ProxySetting
    /// What every answer must be.
    let version: HTTPVersion
    let versions: HTTPVersionPolicy
    let concurrency: Int
    /// Whether each request has a connection of its own.
    let isOneShot: Bool
    /// Whether line feeds in bodies are counted, two to an event.
    let countsEvents: Bool
    /// Whether tasks run on the engine's threads.
    let runsOnLoop: Bool
    let scenario: String
    /// Hears of each response's wait; `nil` unless an explanation was asked for.
    var explanation: LoadExplanation?

    /// What the peer calls itself in the output.
    var peer: String { environment("BENCH_PEER") ?? (runsOnLoop ? "apus" : "apus-global") }
}
