import Apus
import ApusContent
import ApusEvents
import ApusTLS
import Synchronization

/// Every exchange of one `apus fetch`, over one engine.
final class FetchRun: Sendable {
    private let engine: TransportEngine
    private let proxy: ProxySetting
    private let plan: RequestPlan
    private let connection: ConnectionArguments
    private let repeats: RepeatArguments
    private let output: OutputArguments
    private let urls: [String]
    private let count: Int
    private let console: Console
    private let progress: Progress
    private let next = Atomic<Int>(0)
    private let failures = Atomic<Int>(0)
    /// Locked while a line is written to the standard output.
    private let lines = Mutex(())

    init(
        engine: TransportEngine, proxy: ProxySetting, plan: RequestPlan,
        connection: ConnectionArguments, repeats: RepeatArguments, output: OutputArguments,
        urls: [String], count: Int,
        console: Console, progress: Progress
    ) {
        self.engine = engine
        self.proxy = proxy
        self.plan = plan
        self.connection = connection
        self.repeats = repeats
        self.output = output
        self.urls = urls
        self.count = count
        self.console = console
        self.progress = progress
    }

    /// Runs all exchanges, with bounded concurrency.
    ///
    /// - Returns: the number of exchanges that did not complete.
    func all(concurrency: Int) async -> Int {
        await withDiscardingTaskGroup { group in
            for _ in 0..<min(concurrency, count) {
                group.addTask { await self.worker() }
            }
        }
        return failures.load(ordering: .relaxed)
    }

    private func worker() async {
        while true {
            let number = next.add(1, ordering: .relaxed).oldValue
            guard number < count else { return }
            let record = await exchange(number)
            progress.exchangeFinished()
            report(record)
        }
    }

    /// Runs one exchange; bytes received before a failure are kept.
    private func exchange(_ number: Int) async -> ExchangeRecord {
        let index = number % urls.count
        let start = ContinuousClock.now
        var record = ExchangeRecord(url: withoutCredentials(urls[index]))
        do {
            let response = try await head(of: urls[index], number: number)
            record.response = response
            if let length = response.head.headerFields[.contentLength].flatMap(UInt64.init),
                plan.method != .head
            {
                progress.expect(length)
            } else {
                progress.expect(nil)
            }
            let holdsEvents = output.events && isEventStream(response)
            let file = output.file(
                forURL: index, round: number / urls.count, holdsEvents: holdsEvents)
            if holdsEvents {
                try await receiveEvents(response, from: start, into: file, record: &record)
            } else {
                try await receive(response, into: file, record: &record)
            }
        } catch let error as TransportError {
            record.failure = ExchangeFailure(error)
        } catch let error as InvalidRequest {
            record.failure = ExchangeFailure(error)
        } catch let error as ToolError {
            record.failure = ExchangeFailure(error, received: record.bodyBytes)
        } catch {
            record.failure = ExchangeFailure(
                ToolError("\(error)"), received: record.bodyBytes)
        }
        return record
    }

    /// Sends the request through its own client.
    private func head(of url: String, number: Int) async throws -> Response {
        var request = try HTTPRequest(plan.method, url: url, fields: plan.fields)
        if plan.isDecoded, request.headerFields[.acceptEncoding] == nil {
            request.headerFields[.acceptEncoding] = Decoding.acceptEncoding
        }
        let client = ExecutorClient(
            engine, proxy: proxy, isolation: connection.isolation.map { IsolationScope($0) })
        let direct = OriginTransport(client: client, connection: connection)
        let transport = repeats.layers(over: plan.isDecoded ? Decoding(direct) : direct)
        let mark = count > 1 ? "  (exchange \(number + 1))" : ""
        if output.verbose { console.show(request, exchange: mark) }
        let response = try await transport.send(
            request, body: plan.requestBody(progress: progress), options: connection.options())
        if output.verbose {
            for attempt in response.info.tries { console.line("* try: \(attempt)\(mark)") }
            console.show(response.head, version: response.version, exchange: mark)
        }
        return response
    }

    /// Reads the body and keeps its facts; `write` gets each piece and the file for it.
    private func receive(
        _ response: Response, into path: String?, record: inout ExchangeRecord,
        write: (Bytes, FileOutput?) throws -> Void = { try $1?.write($0) }
    ) async throws {
        let digest = SHA256Digest()
        defer { record.bodyDigest = digest.finalize() }
        let file = try path.map { path throws(ToolError) in try FileOutput.create(path) }
        defer { try? file?.close() }
        if output.include { try file?.write(head(of: response)) }
        for try await chunk in response.body {
            record.bodyBytes += UInt64(chunk.count)
            progress.received(chunk.count)
            if output.json { chunk.withSpan { digest.update($0) } }
            try write(chunk, file)
        }
        record.trailers = response.body.trailers
    }

    /// Whether a response has events; another one, such as a refusal, is written as it is.
    private func isEventStream(_ response: Response) -> Bool {
        response.head.headerFields[.contentType]?.lowercased().hasPrefix("text/event-stream")
            ?? false
    }

    /// Writes a line for each event as it arrives; the record counts the bytes of the body.
    private func receiveEvents(
        _ response: Response, from start: ContinuousClock.Instant, into path: String?,
        record: inout ExchangeRecord
    ) async throws {
        var parser = ServerSentEventParser(reportsComments: true)
        let url = record.url
        try await receive(response, into: path, record: &record) { chunk, file in
            parser.bytesReceived(chunk)
            while let event = try parser.nextEvent() {
                let line = EventLine(event: event, time: .now - start)
                let text = output.json ? line.json(url: url).text : line.text
                try lines.withLock { _ throws(ToolError) in try file?.write(Bytes(text + "\n")) }
            }
        }
    }

    /// The head in the format of HTTP/1.1, whatever its version; values are bytes, which need not
    /// be UTF-8.
    private func head(of response: Response) -> Bytes {
        let status = response.head.status
        var bytes = Array("\(response.version.rawValue) \(status.code)".utf8)
        bytes += Array(" \(status.reasonPhrase)\r\n".utf8)
        for field in response.head.headerFields {
            bytes += Array("\(field.name.rawName): ".utf8)
            field.withUnsafeBytesOfValue { bytes += Array($0) }
            bytes += Array("\r\n".utf8)
        }
        bytes += Array("\r\n".utf8)
        return Bytes(bytes)
    }

    private func report(_ record: ExchangeRecord) {
        if let failure = record.failure {
            failures.add(1, ordering: .relaxed)
            console.line("apus: \(record.url): \(failure.text)")
            if let answer = failure.proxyAnswer {
                console.show(answer, isVerbose: output.verbose)
            }
        }
        guard output.json else { return }
        do throws(ToolError) {
            let line = record.json.text + "\n"
            // A pipe accepts a long line in parts, and no other line may come between them.
            try lines.withLock { _ throws(ToolError) in
                try FileOutput.standardOutput.write(line)
            }
        } catch {
            console.line("apus: \(error)")
        }
    }
}
