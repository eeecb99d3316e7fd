public import Apus

/// One of several ways to send a request: a credential, a proxy, an origin or a transport of its
/// own.
public struct Choice: Sendable {
    /// The name in `Try.choice` and in a rotation's state; it must hold no secret.
    public let name: String
    /// The transport; `nil` is that of the rotation.
    let transport: (any HTTPTransport)?
    /// Changes the request and its options.
    let amend: @Sendable (inout HTTPRequest, inout RequestOptions) -> Void
    private let fault: Fault

    /// Which errors are a choice's own.
    private enum Fault: Sendable {
        /// None, and no other choice would help: a credential shows its health by answers.
        case none
        /// Those at a proxy.
        case proxies
        /// Every one.
        case all
    }

    /// Creates a choice that changes the request or its options, or uses a transport of its own.
    ///
    /// Every error of a try is taken for a fault of such a choice.
    /// - Parameters:
    ///   - name: its name, which must hold no secret.
    ///   - transport: sends the requests of this choice; `nil`, the default, is the rotation's.
    ///   - amend: changes the request and its options; nothing by default. It is called for each
    ///     try with the caller's request, by several tasks at once.
    public init(
        _ name: String, transport: (any HTTPTransport)? = nil,
        amend: @escaping @Sendable (inout HTTPRequest, inout RequestOptions) -> Void = { _, _ in }
    ) {
        self.init(name, transport, fault: .all, amend)
    }

    private init(
        _ name: String, _ transport: (any HTTPTransport)? = nil, fault: Fault,
        _ amend: @escaping @Sendable (inout HTTPRequest, inout RequestOptions) -> Void
    ) {
        self.name = name
        self.transport = transport
        self.fault = fault
        self.amend = amend
    }

    /// A credential: fields that are set in requests to one origin.
    ///
    /// A request to any other origin, as after a redirect, is sent without them. An error is never
    /// a fault of the credential; only statuses are.
    /// - Parameters:
    ///   - name: its name, which must hold no secret.
    ///   - fields: the fields, which replace those of the same names.
    ///   - origin: the only origin that gets them.
    public static func credential(
        _ name: String, _ fields: HTTPFields, for origin: Origin
    ) -> Choice {
        Choice(name, fault: .none) { request, _ in
            guard request.origin == origin else { return }
            for field in fields { request.headerFields[field.name] = nil }
            for field in fields { request.headerFields.append(field) }
        }
    }

    /// The proxies that a request goes through; such a choice is put aside after errors at a proxy,
    /// and after others the request only moves on.
    public static func proxy(_ name: String, _ proxy: ProxySetting) -> Choice {
        Choice(name, fault: .proxies) { _, options in options.proxy = proxy }
    }

    /// An origin that requests are sent to instead of their own; path, query and fields are kept,
    /// except for a `Host` field.
    public static func origin(_ name: String, _ origin: Origin) -> Choice {
        Choice(name, fault: .all) { request, _ in
            request.scheme = origin.scheme.rawValue
            request.authority = origin.authorityWithZone
            request.headerFields[hostField] = nil
        }
    }

    /// Whether a request may succeed with another choice after an error.
    var letsOthersTry: Bool {
        switch fault {
        case .none: false
        case .proxies, .all: true
        }
    }

    /// Whether an error is a fault of this choice.
    func isAtFault(for error: TransportError) -> Bool {
        switch fault {
        case .none: false
        case .proxies: error.hop == .proxy
        case .all: true
        }
    }
}

private let hostField = HTTPField.Name(known: "Host")

extension HTTPRequest {
    /// The origin that the request names; `nil` when it names none.
    fileprivate var origin: Origin? {
        guard let scheme = scheme.flatMap(Scheme.init(text:)), let authority else { return nil }
        return try? Origin(scheme: scheme, authority: authority)
    }
}
