/// Something that is remembered of ways, of a bounded number of them.
package struct WayRecords<Record: Sendable>: Sendable {
    /// What is remembered of one way.
    package struct Entry: Sendable {
        /// The way's route that was met last, for those who forget and those who report.
        package let route: Route
        package let record: Record
    }

    private var records: [Way: Entry] = [:]

    package init() {}

    package var isEmpty: Bool { records.isEmpty }

    /// What is remembered of the route's way; `nil` is nothing.
    ///
    /// Beyond `Way.maxRemembered` ways the memory begins anew.
    package subscript(route: Route) -> Record? {
        get { records[Way(route)]?.record }
        set {
            let way = Way(route)
            guard let newValue else {
                records[way] = nil
                return
            }
            if records[way] == nil, records.count >= Way.maxRemembered { records.removeAll() }
            records[way] = Entry(route: route, record: newValue)
        }
    }

    /// Everything, in no order.
    package var entries: some Collection<Entry> { records.values }

    /// A route of each way.
    package var routes: [Route] { records.values.map(\.route) }

    /// Forgets the ways of these routes.
    package mutating func forget(_ routes: [Route]) {
        for route in routes { records[Way(route)] = nil }
    }
}
