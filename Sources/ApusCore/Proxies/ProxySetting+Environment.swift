// Reading proxy variables, such as `http_proxy`, that the caller took from its environment.
extension ProxySetting {
    /// Reads proxy variables that the caller passes; the process's environment is not read.
    ///
    /// `http_proxy` is for http origins, `https_proxy` for https origins, `all_proxy` for origins
    /// that the other two do not cover; `no_proxy` lists hosts without a proxy. The lower-case
    /// spelling of a name wins unless its value is empty. `HTTP_PROXY` is ignored where
    /// `REQUEST_METHOD` is set, because CGI sets it from a client's `Proxy` field. A value without
    /// `scheme://` is an `http` proxy; "direct" and "none" mean no proxy, as in
    /// `ProxySetting(parsing:)`.
    ///
    /// - Returns: `rules`, or `inherit` when no variable names a proxy.
    /// - Throws: `InvalidProxy` naming the variable, never its value.
    public static func fromEnvironment(
        _ variables: [String: String]
    ) throws(InvalidProxy) -> ProxySetting {
        let isCGI = variables["REQUEST_METHOD"].map { !$0.isEmpty } ?? false
        let all = try proxy("all_proxy", in: variables, ignoresUpperCase: false)
        let http = try proxy("http_proxy", in: variables, ignoresUpperCase: isCGI) ?? all
        let https = try proxy("https_proxy", in: variables, ignoresUpperCase: false) ?? all
        guard http != nil || https != nil else { return .inherit }
        return .rules(
            ProxyRules(
                http: http ?? .direct, https: https ?? .direct,
                except: try exceptions(in: variables)))
    }

    private static func exceptions(
        in variables: [String: String]
    ) throws(InvalidProxy) -> ProxyExceptions {
        guard let (name, text) = value("no_proxy", in: variables, ignoresUpperCase: false) else {
            return ProxyExceptions()
        }
        do throws(InvalidProxy) {
            return try ProxyExceptions(parsing: text)
        } catch {
            throw InvalidProxy(reason: "\(name): \(error.reason)")
        }
    }

    private static func proxy(
        _ name: String, in variables: [String: String], ignoresUpperCase: Bool
    ) throws(InvalidProxy) -> ProxySetting? {
        guard let (name, text) = value(name, in: variables, ignoresUpperCase: ignoresUpperCase)
        else { return nil }
        do throws(InvalidProxy) {
            let words: Set = ["direct", "none"]
            let isURL = text.contains("://") || words.contains(text.lowercased())
            return try ProxySetting(parsing: isURL ? text : "http://" + text)
        } catch {
            throw InvalidProxy(reason: "\(name): \(error.reason)")
        }
    }

    private static func value(
        _ name: String, in variables: [String: String], ignoresUpperCase: Bool
    ) -> (name: String, text: String)? {
        for name in ignoresUpperCase ? [name] : [name, name.uppercased()] {
            let text = variables[name]?.trimmingBlanks() ?? ""
            if !text.isEmpty { return (name, text) }
        }
        return nil
    }
}
