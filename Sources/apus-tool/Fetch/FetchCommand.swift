import Apus
import ArgumentParser

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// `apus fetch`: curl's familiar option names over one engine.
struct FetchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fetch",
        abstract: "Fetch URLs; each exchange has its own client, and all share one pool.",
        discussion: "Exits with 0 only when every exchange completed.")

    @OptionGroup(title: "Request") var request: RequestArguments
    @OptionGroup(title: "Connection") var connection: ConnectionArguments
    @OptionGroup(title: "Redirects and retries") var repeats: RepeatArguments
    @OptionGroup(title: "Proxies") var proxies: ProxyArguments
    @OptionGroup(title: "Output") var output: OutputArguments

    @Option(
        name: .customLong("repeat"),
        help: ArgumentHelp("Fetch all URLs this many times.", valueName: "n"))
    var rounds = 1

    @Option(help: ArgumentHelp("Exchanges at once.", valueName: "n"))
    var concurrency = 1

    @Option(
        help: ArgumentHelp(
            "More URLs, one a line; blank lines and lines that begin with # are skipped. - is the "
                + "standard input.", valueName: "file"))
    var urlsFrom: String?

    @Argument(help: "http:// and https:// URLs.")
    var urls: [String] = []

    func validate() throws {
        guard (1...1_000_000_000).contains(rounds) else {
            throw ValidationError("--repeat: \(rounds) is not in 1...1000000000")
        }
        guard (1...100_000).contains(concurrency) else {
            throw ValidationError("--concurrency: \(concurrency) is not in 1...100000")
        }
        guard !urls.isEmpty || urlsFrom != nil else {
            throw ValidationError("no URL is given; pass one, or --urls-from")
        }
        if urlsFrom == "-", request.data.contains("@-") {
            throw ValidationError("--urls-from - and -d @- would read the same input")
        }
    }

    func run() async throws {
        let plan = try request.plan()
        let urls = try self.urls + listedURLs()
        guard !urls.isEmpty else { throw ValidationError("--urls-from: contains no URL") }
        let console = Console()
        let engine: TransportEngine
        let tuning = connection.tuning(concurrency: concurrency)
        do {
            engine = try TransportEngine(
                tuning,
                observer: output.verbose ? Story(console: console) : nil)
        } catch let error as InvalidTuning {
            throw ValidationError(error.description)
        }
        let sharesScreen =
            isatty(1) == 1 && output.writesBodiesToStandardOutput(urls: urls.count)
        let run = FetchRun(
            engine: engine, proxy: try proxies.setting(roots: tuning.tls.roots), plan: plan,
            connection: connection, repeats: repeats, output: output, urls: urls,
            count: urls.count * rounds, console: console,
            progress: Progress(
                console: console, isEnabled: !sharesScreen,
                exchanges: urls.count * rounds))
        let failures = await run.all(concurrency: concurrency)
        console.clear()
        await engine.shutdown(drain: .zero)
        if failures > 0 { throw ExitCode(1) }
    }

    private func listedURLs() throws -> [String] {
        guard let urlsFrom else { return [] }
        return String(decoding: try readWhole(urlsFrom), as: UTF8.self)
            .split(whereSeparator: \.isNewline)
            .map { line in line.drop(while: { $0 == " " || $0 == "\t" }) }
            .filter { !$0.isEmpty && !$0.hasPrefix("#") }
            .map { line in
                String(line.prefix { $0 != " " && $0 != "\t" })
            }
    }
}
