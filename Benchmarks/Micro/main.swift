import Glibc

// What the engine's layers cost, one case at a time. `Benchmarks/micro` prints a table of it,
// `Benchmarks/check` compares it with what is on record.
//
//   apus-micro table               a table of all cases
//   apus-micro list                their names
//   apus-micro run NAME ROUNDS     one case, for a tool that counts instructions
//   apus-micro allocations         the allocations of each, one line a case
//
// No top-level `await`: it would end the main thread, at which valgrind stops.

/// Ends the program with a message.
private func fail(_ message: String) -> Never {
    _ = "apus-micro: \(message)\n".withCString { write(STDERR_FILENO, $0, strlen($0)) }
    exit(2)
}

let arguments = Array(CommandLine.arguments.dropFirst())
do {
    switch arguments.first {
    case "list": for each in Case.all() { print(each.name) }
    case "run":
        guard arguments.count == 3, let each = Case.all().first(where: { $0.name == arguments[1] }),
            let rounds = Int(arguments[2]), rounds > 0
        else { fail("run takes the name of a case and a number") }
        try each.run(rounds)
    case "allocations":
        for each in Case.all() {
            guard let count = try each.allocations() else { fail("allocations.c is not preloaded") }
            print(each.name, hundredths(count))
        }
        for each in try Exchange.measureAll() {
            print(each.name, hundredths(each.allocations ?? 0))
        }
    case "table":
        print("| what | thread's CPU time | allocations |\n|---|---|---|")
        for each in Case.all() {
            let time = Int(try each.nanoseconds().rounded())
            print(
                "| \(each.title) | \(time) ns | \(try each.allocations().map(hundredths) ?? "-") |")
        }
        for each in try Exchange.measureAll() {
            let count = each.allocations.map(hundredths) ?? "-"
            print("| \(each.title) | \(Int(each.nanoseconds.rounded())) ns | \(count) |")
        }
    default: fail("takes list, run, allocations or table")
    }
} catch {
    fail("\(error)")
}
