import Glibc

/// A client's network, a NAT that forgets silent connections, and a server's network.
///
/// Connections to `address` arrive at 127.0.0.1 in the server's network. What belongs to no
/// connection that the NAT knows is dropped. Needs root, iproute2, nftables, and a kernel with
/// connection tracking.
struct ForgetfulNAT {
    /// Why there can be none here; `nil` when there can.
    static let obstacle: String? = {
        if let obstacle = NetworkNamespace.obstacle { return obstacle }
        guard access(nft, X_OK) == 0 else { return "nftables is not installed" }
        guard access("/proc/sys/net/\(timeout)", F_OK) == 0 else {
            return "the kernel tracks no connections"
        }
        return nil
    }()

    private static let nft: String = {
        let places: [String] = ["/usr/sbin/nft", "/sbin/nft"]
        return places.first { (place: String) in access(place, X_OK) == 0 } ?? ""
    }()
    private static let timeout = "netfilter/nf_conntrack_tcp_timeout_established"

    /// Where the client finds the server.
    let address = "10.9.2.2"
    let client: NetworkNamespace
    let server: NetworkNamespace
    private let router: NetworkNamespace

    /// - Parameter seconds: the silence after which the NAT forgets a connection.
    init(forgettingAfter seconds: Int) async throws {
        client = try await NetworkNamespace()
        router = try await NetworkNamespace()
        server = try await NetworkNamespace()
        for (device, network, side) in [("in0", client, 1), ("out0", server, 2)] {
            try await router.run(
                "link add \(device) type veth peer name far0 netns \(network.path)")
            try await router.run("addr add 10.9.\(side).1/24 dev \(device)")
            try await router.run("link set \(device) up")
            try await network.run("addr add 10.9.\(side).2/24 dev far0")
            try await network.run("link set far0 up")
        }
        try await client.run("route add default via 10.9.1.1")
        try await router.set("ipv4/ip_forward", to: "1")
        try await apply(
            """
            table ip nat { chain post { type nat hook postrouting priority 100; \
            oifname "out0" masquerade; }; }
            table ip known { chain pass { type filter hook forward priority 0; \
            ct state invalid drop; }; }
            """, in: router)
        // A connection that was forgotten is not taken up again in its middle.
        try await router.set("netfilter/nf_conntrack_tcp_loose", to: "0")
        try await router.set(Self.timeout, to: "\(seconds)")
        try await server.set("ipv4/conf/all/route_localnet", to: "1")
        try await apply(
            """
            table ip nat { chain pre { type nat hook prerouting priority -100; \
            ip daddr \(address) dnat to 127.0.0.1; }; }
            """, in: server)
    }

    private func apply(_ rules: String, in network: NetworkNamespace) async throws {
        try await network.run(Self.nft, [rules])
    }
}
