// Command kahuna-server serves a Kahuna store.
//
//	kahuna-server                     the store in the user's state directory
//	kahuna-server --data DIR          the store in DIR
//	kahuna-server --memory            a store without files
//	kahuna-server --tls-dev           TLS, too, with a certificate of its own
//
// It ends with status 0 after it was drained, 1 when it could not serve, 2 for
// wrong usage, 3 when the store cannot be opened, and 128+n when a second
// signal n made it leave at once. What it acknowledged is durable in any case.
package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"kahuna"
	"kahuna/internal/server"
)

// The exit statuses.
const (
	exitFailed = 1
	exitUsage  = 2
	exitOpen   = 3
)

func main() {
	signals, hangups := make(chan os.Signal, 4), make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	signal.Notify(hangups, syscall.SIGHUP)
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr, signals, hangups))
}

// run is the command. It returns the exit status.
func run(args []string, stdout, stderr io.Writer, signals, hangups <-chan os.Signal) int {
	f, done, err := parse(args, stdout, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "kahuna-server: %v\n", err)
		return exitUsage
	}
	if done {
		return 0
	}
	logger := f.logger(stderr)
	db, dir, err := f.open(logger, f.storeLogger(stderr))
	if err != nil {
		fmt.Fprintf(stderr, "kahuna-server: %v\n", err)
		return exitOpen
	}
	certificate, err := f.certificate(dir, logger)
	if err != nil {
		fmt.Fprintf(stderr, "kahuna-server: %v\n", err)
		return end(db, logger, exitUsage, nil, stderr)
	}
	go reload(hangups, certificate, logger)
	drain, leave := make(chan struct{}), make(chan struct{})
	left := make(chan int, 1)
	go watch(signals, drain, leave, left)
	s := server.New(db, server.Options{Logger: logger, Drain: f.Drain, Dir: dir, Insecure: f.Insecure, Connections: f.Connections, Conflicts: f.conflicts()})
	f.mount(s, db, certificate, logger)
	status := 0
	if err := s.Run(drain, leave); err != nil {
		fmt.Fprintf(stderr, "kahuna-server: %v\n", err)
		status = exitFailed
	}
	return end(db, logger, status, left, stderr)
}

// watch closes drain at the first signal, and leave at the second.
func watch(signals <-chan os.Signal, drain, leave chan<- struct{}, left chan<- int) {
	<-signals
	close(drain)
	second := <-signals
	status := exitFailed
	if n, ok := second.(syscall.Signal); ok {
		status = 128 + int(n)
	}
	left <- status
	close(leave)
}

// reload reads the certificate again at every hang-up.
func reload(hangups <-chan os.Signal, c *server.Certificate, logger *slog.Logger) {
	for range hangups {
		if c == nil {
			logger.Info("SIGHUP: there is no certificate to read again")
		} else if err := c.Reload(); err != nil {
			logger.Error("the certificate is not replaced", "error", err)
		}
	}
}

// end closes the store, unless a second signal comes first: its files are as
// safe as after any crash.
func end(db *kahuna.DB, logger *slog.Logger, status int, left <-chan int, stderr io.Writer) int {
	closed := make(chan error, 1)
	select {
	case status := <-left:
		return status
	default:
		go func() { closed <- db.Close() }()
	}
	select {
	case status := <-left:
		return status
	case err := <-closed:
		if err != nil {
			fmt.Fprintf(stderr, "kahuna-server: %v\n", err)
			return max(status, exitFailed)
		}
	}
	logger.Info("closed")
	return status
}
