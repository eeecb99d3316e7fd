/// The result of a read of lines or events with a deadline.
public enum TimedArrival<Element> {
    /// The next element.
    case element(Element)
    /// The sequence has ended.
    case end
    /// No element was complete in time; the next read continues.
    case nothing
}

extension TimedArrival: Sendable where Element: Sendable {}
extension TimedArrival: Equatable where Element: Equatable {}
extension TimedArrival: Hashable where Element: Hashable {}
