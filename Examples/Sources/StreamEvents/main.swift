import Apus

// Prints the data of each server-sent event the moment it arrives.
//   swift run StreamEvents http://127.0.0.1:8080/sse?n=5&pace_us=200000
let url = CommandLine.arguments.dropFirst().first ?? "http://127.0.0.1:8080/sse"
let engine = try TransportEngine(.executor)
let client = ExecutorClient(engine)

var options = RequestOptions()
options.headTimeout = .seconds(30)  // from the call to the response's head
options.readIdleTimeout = .seconds(60)  // silence between two pieces of the body
do throws(TransportError) {
    let response = try await client.send(
        .get(url, fields: [.accept: "text/event-stream"]), options: options)
    guard response.status == .ok else {
        throw TransportError(
            .malformed, phase: .head, message: "status \(response.status)",
            replay: .responseStarted)
    }
    // Lines may be cut anywhere between two pieces, and a piece may hold many.
    var line: [UInt8] = []
    for try await chunk in response.body {
        for byte in chunk {
            guard byte == UInt8(ascii: "\n") else {
                line.append(byte)
                continue
            }
            let text = String(decoding: line, as: UTF8.self)
            if text.hasPrefix("data: ") { print(text.dropFirst("data: ".count)) }
            line.removeAll(keepingCapacity: true)
        }
    }
} catch {
    // What had arrived was printed before this; `.truncated` distinguishes a cut stream from its
    // end.
    print("the stream failed:", error)
}
await engine.shutdown()
