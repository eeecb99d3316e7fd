import ArgumentParser
import GatewayCore
import HTTPTypes
import Hummingbird
import NIOCore

/// The server side alone: it makes the events itself and asks no upstream.
///
/// Its memory and CPU are in the figures of each candidate with Hummingbird in front.
@main struct FrontGateway: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "gateway-front")

    @OptionGroup var settings: Settings

    func run() async throws {
        try await settings.serve(
            Front(), settings.makeCredentials(), on: Settings.makeLoopGroup())
    }
}

/// Answers as the origin does: `/events/MS/SIZE` by events, another path by the body's length.
private struct Front: Upstream {
    func send(_ request: Request, with credential: Credential) async throws -> Response {
        var count = 0
        for try await piece in request.body { count += piece.readableBytes }
        let numbers = request.uri.path.split(separator: "/").compactMap { Int($0) }
        guard request.uri.path.hasPrefix("/events/"), numbers.count == 2 else {
            return Response(status: .ok, body: .init(byteBuffer: ByteBuffer(string: "\(count)\n")))
        }
        return events(every: .milliseconds(numbers[0]), size: numbers[1])
    }

    func isUnsent(_ error: any Error) -> Bool { false }

    private func events(every interval: Duration, size: Int) -> Response {
        let padding = String(repeating: "e", count: max(0, size - "data: !\n\n".utf8.count))
        let event = ByteBuffer(string: "data: !\(padding)\n\n")
        return Response(
            status: .ok, headers: [.contentType: "text/event-stream"],
            body: .init { writer in
                while true {
                    try await writer.write(event)
                    try await Task.sleep(for: interval)
                }
            })
    }
}
