package import ApusCore

/// What a route follows from, as a request says it.
package struct RouteRequirements: Hashable {
    var authority: ExactText
    let scheme: Scheme
    let proxy: ProxySetting
    let versions: HTTPVersionPolicy
    let isolation: IsolationScope?
    let connectTo: ConnectTarget?
    let purpose: Route.Purpose

    package init(
        authority: ExactText, scheme: Scheme, proxy: ProxySetting, versions: HTTPVersionPolicy,
        isolation: IsolationScope?, connectTo: ConnectTarget?, purpose: Route.Purpose
    ) {
        self.authority = authority
        self.scheme = scheme
        self.proxy = proxy
        self.versions = versions
        self.isolation = isolation
        self.connectTo = connectTo
        self.purpose = purpose
    }

    /// The same, with a text that may be kept: that of a request is only for looking up.
    package var kept: RouteRequirements {
        var kept = self
        kept.authority = ExactText(authority.text)
        return kept
    }
}
