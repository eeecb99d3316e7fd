import Apus
import ApusContent
import Foundation
import GatewayFixtures
import Hummingbird
import NIOCore

/// The origin of the demonstration: a model's API as far as a gateway can see it.
enum DemonstrationOrigin {
    /// The secrets that it refuses: one for good, one for a minute.
    static let invalidSecret = "invalid"
    static let exhaustedSecret = "exhausted"
    static let eventsPerStream = 10

    static func start(port: Int = 0) async throws -> ScriptedOrigin {
        try await ScriptedOrigin(port: port) { arrival in
            switch arrival.credential {
            case "Bearer \(invalidSecret)": return .text(.unauthorized)
            case "Bearer \(exhaustedSecret)":
                return .text(.tooManyRequests, fields: [.retryAfter: "60"])
            default: return try await answer(arrival)
            }
        }
    }

    /// Starts it as a process of its own, by `serve`.
    static func startProcess(port: Int = 0) throws -> ChildProgram {
        try ChildProgram("gateway-demonstration", ["--origin", "\(port)"])
    }

    /// Serves until the standard input ends.
    static func serve(port: Int) async throws {
        let origin = try await start(port: port)
        print("listening on port \(origin.port)")
        fflush(nil)
        while readLine() != nil {}
    }

    private static func answer(
        _ arrival: ScriptedOrigin.Arrival
    ) async throws -> Hummingbird.Response {
        switch arrival.path {
        case "/v1/messages": return stream(pace: .milliseconds(20))
        case "/v1/chat/completions": return stream(pace: .milliseconds(20), coding: .gzip)
        case "/upload": return try await counted(arrival)
        case "/endless":
            return .events(Array(repeating: "{}", count: 100_000)) { _ in
                try await Task.sleep(for: .milliseconds(20))
            }
        case "/strict/silent":
            try await Latch().wait()
            return .text()
        case "/strict/pauses":
            return .events(["{}", "{}"]) { number in if number == 1 { try await Latch().wait() } }
        default: return .text(.ok, "{\"data\":[]}")
        }
    }

    private static func stream(
        pace: Duration, coding: ContentCoding? = nil
    ) -> Hummingbird.Response {
        var events = (1..<eventsPerStream).map { #"{"type":"delta","text":"word \#($0)"}"# }
        events.append(#"{"type":"end","usage":{"input_tokens":12,"output_tokens":9}}"#)
        return .events(events, coding: coding) { _ in try await Task.sleep(for: pace) }
    }

    /// The number of bytes of the request.
    private static func counted(
        _ arrival: ScriptedOrigin.Arrival
    ) async throws -> Hummingbird.Response {
        var count = 0
        for try await piece in arrival.request.body { count += piece.readableBytes }
        return .text(.ok, "\(count)")
    }
}
