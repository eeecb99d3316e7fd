/// Retries and redirects.
enum ApusRetry {}
