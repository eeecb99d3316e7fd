// A server on Go's net/http: HTTP/2 by yet another house, over TLS by ALPN.
//
// Usage: main FOLDER PORT CERTIFICATE KEY
//
//	a file's name   the file, with Last-Modified; HEAD and ranges too
//	/echo           the content, sent back while it comes
//	/sink           the length of the content
//	/trailers       "hello" and the trailer X-Checked: yes
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
)

func echo(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusOK)
	buffer := make([]byte, 32*1024)
	for {
		count, err := r.Body.Read(buffer)
		if count > 0 {
			if _, err := w.Write(buffer[:count]); err != nil {
				return
			}
			w.(http.Flusher).Flush()
		}
		if err != nil {
			return
		}
	}
}

func sink(w http.ResponseWriter, r *http.Request) {
	count, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		return
	}
	fmt.Fprintf(w, "%d\n", count)
}

func trailers(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Trailer", "X-Checked")
	io.WriteString(w, "hello")
	w.Header().Set("X-Checked", "yes")
}

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", echo)
	mux.HandleFunc("/sink", sink)
	mux.HandleFunc("/trailers", trailers)
	mux.Handle("/", http.FileServer(http.Dir(os.Args[1])))
	log.Fatal(http.ListenAndServeTLS("127.0.0.1:"+os.Args[2], os.Args[3], os.Args[4], mux))
}
