import ApusCore

/// What a new connection knows of its way.
package struct WayLessons: Sendable, Hashable {
    /// The silence with open streams after which it sends a PING; `nil` is never.
    package var pingAfter: Duration?
    /// The same without open streams.
    package var idlePingAfter: Duration?
    /// How long the way lets it be silent while it carries an exchange; `nil` when unknown.
    package var silenceLimit: SilenceLimit?
    /// How long PINGs take there; `nil` while none was acknowledged.
    package var pingTime: Duration?

    package init(pingAfter: Duration?, idlePingAfter: Duration?) {
        self.pingAfter = pingAfter
        self.idlePingAfter = idlePingAfter
    }

    /// The settings of that connection.
    func applied(to tuning: EngineTuning.HTTP2) -> EngineTuning.HTTP2 {
        var tuning = tuning
        tuning.pingAfter = pingAfter
        tuning.idlePingAfter = idlePingAfter
        return tuning
    }
}
