import Apus

/// What a worker does with an exchange in a churn run, chosen at random.
private enum Whim: Int, CaseIterable {
    /// Reads to the end, or up to a limit.
    case read
    /// Drops the response unread.
    case drop
    /// Drops it after its first piece.
    case dropLater
    /// Cancels the task after some microseconds.
    case cancel

    /// The maximum number of bytes read of a response.
    static let maxBytes = 1 << 20

    /// The choice for a number, the same in every run.
    init(for number: Int) {
        let mixed = UInt64(truncatingIfNeeded: number) &* 0x9E37_79B9_7F4A_7C15
        self = Whim(rawValue: Int(mixed >> 33) % Whim.allCases.count) ?? .read
    }
}

extension LoadRun {
    /// Memory, sockets and exchanges left by `requests` exchanges, most of which were not read to
    /// their end, compared with those after a tenth as many.
    func measureChurn(_ requests: Int) async -> JSON {
        // Sockets that this process inherited.
        let inherited = ProcessUsage.openSockets()
        await churn(max(1, requests / 10))
        try? await Task.sleep(for: LoadRun.pause)
        let base = ProcessUsage.residentKiB()
        await churn(requests)
        try? await Task.sleep(for: LoadRun.pause)
        let left = engine.snapshot()
        let resident = ProcessUsage.residentKiB()
        return .object([
            ("peer", .string(plan.peer)),
            ("scenario", .string(plan.scenario)),
            ("requests", .integer(requests)),
            ("errors", .integer(errors)),
            ("rss_base_kib", .integer(base)),
            ("rss_kib", .integer(resident)),
            ("sockets", .integer(ProcessUsage.openSockets() - inherited)),
            ("idle", .integer(left.idle)),
            ("exchanges", .integer(left.exchanges)),
            ("dialling", .integer(left.dialling)),
            ("waiting", .integer(left.waiting)),
            ("connections_opened", .integer(left.connectionsOpened)),
        ])
    }

    private func churn(_ limit: Int) async {
        counters.restart()
        let client = ExecutorClient(engine, proxy: plan.proxy, versions: plan.versions)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<plan.concurrency {
                group.addTask { [counters] in
                    while true {
                        let number = counters.take()
                        guard number < limit else { return }
                        await self.follow(Whim(for: number), number, client)
                    }
                }
            }
        }
    }

    private func follow(_ whim: Whim, _ number: Int, _ client: ExecutorClient) async {
        let task = Task { [plan] in
            let request = plan.requests[number % plan.requests.count]
            let response = try await client.send(request, body: plan.body)
            guard whim != .drop else { return }
            var count = 0
            for try await chunk in response.body {
                count += chunk.count
                if whim == .dropLater || count >= Whim.maxBytes { return }
            }
        }
        if whim == .cancel {
            try? await Task.sleep(for: .microseconds(number % 3000))
            task.cancel()
        }
        let result = await task.result
        if case .failure(let error) = result, whim != .cancel { counters.fail(error) }
    }
}
