import Foundation

/// A headless Chromium that loads one page.
struct Browser {
    /// The program, if it is installed.
    static let path = ["chromium", "chromium-browser", "google-chrome"]
        .map { "/usr/bin/\($0)" }
        .first { FileManager.default.isExecutableFile(atPath: $0) }

    private let url: String
    private let folder: URL

    init(_ url: String) throws {
        self.url = url
        folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("browser-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    /// The page as the browser understood it.
    func page() async throws -> String {
        String(decoding: try await run(["--dump-dom"]), as: UTF8.self)
    }

    /// The page as it is drawn, a PNG.
    func picture() async throws -> Data {
        let file = folder.appendingPathComponent("page.png")
        _ = try await run(["--screenshot=\(file.path)", "--window-size=1100,900"])
        return try Data(contentsOf: file)
    }

    /// Runs the browser to its end, and returns its output.
    private func run(_ arguments: [String]) async throws -> Data {
        let program = Process()
        program.executableURL = URL(fileURLWithPath: Self.path ?? "")
        program.arguments =
            [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--hide-scrollbars", "--user-data-dir=\(folder.path)",
            ] + arguments + [url]
        let output = Pipe()
        let reader = output.fileHandleForReading
        program.standardOutput = output
        program.standardError = FileHandle.nullDevice
        program.standardInput = FileHandle.nullDevice
        let end = AsyncStream<Never> { continuation in
            program.terminationHandler = { _ in continuation.finish() }
        }
        try program.run()
        // The reader blocks: it has a thread of its own, not one of Swift's pool.
        let data = await withCheckedContinuation { continuation in
            Thread { continuation.resume(returning: reader.readDataToEndOfFile()) }.start()
        }
        for await _ in end {}
        return data
    }
}
