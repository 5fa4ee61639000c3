package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"kahuna"
	"kahuna/internal/server"
	"kahuna/internal/server/resp"
	"kahuna/internal/server/wire"
)

// flags is the command line.
type flags struct {
	Data   string `group:"store" env:"KAHUNA_DATA" placeholder:"DIR" help:"Directory of the store, made when missing. Default: kahuna in the user's state directory."`
	Memory bool   `group:"store" env:"KAHUNA_MEMORY" help:"Serve a store without files, gone when the server ends."`

	HTTP        string `group:"listen" name:"http" env:"KAHUNA_HTTP" default:"127.0.0.1:2070" placeholder:"HOST:PORT" help:"Address of REST, health and metrics; port 0 takes a free one, an empty text switches it off. Default: 127.0.0.1:2070."`
	GRPC        string `group:"listen" name:"grpc" env:"KAHUNA_GRPC" default:"127.0.0.1:2072" placeholder:"HOST:PORT" help:"Address of gRPC over HTTP/2 without TLS; port 0 takes a free one, an empty text switches it off. Default: 127.0.0.1:2072."`
	Redis       string `group:"listen" env:"KAHUNA_REDIS" default:"127.0.0.1:2079" placeholder:"HOST:PORT" help:"Address of the Redis protocol; port 0 takes a free one, an empty text switches it off. Default: 127.0.0.1:2079."`
	RedisTLS    string `group:"listen" name:"redis-tls" env:"KAHUNA_REDIS_TLS" placeholder:"HOST:PORT" help:"Address of the Redis protocol over TLS, or several separated by commas. It passes connections on to --redis, which must be on."`
	Insecure    bool   `group:"listen" env:"KAHUNA_INSECURE" help:"Allow addresses that other machines can reach, though there are no passwords."`
	Connections int    `group:"listen" env:"KAHUNA_CONNECTIONS" default:"4096" placeholder:"N" help:"Connections at once of HTTP and of all that is over TLS. Default: 4096."`

	TLS     *string `group:"tls" name:"tls" env:"KAHUNA_TLS" placeholder:"HOST:PORT" help:"Address of REST and gRPC over TLS, or several separated by commas; an empty text switches it off. Default: 127.0.0.1:2071 when there is a certificate."`
	TLSCert string  `group:"tls" name:"tls-cert" env:"KAHUNA_TLS_CERT" placeholder:"FILE" help:"PEM file of the certificate and those that sign it. It is read again when it changes, and at SIGHUP."`
	TLSKey  string  `group:"tls" name:"tls-key" env:"KAHUNA_TLS_KEY" placeholder:"FILE" help:"PEM file of its private key."`
	TLSDev  bool    `group:"tls" name:"tls-dev" env:"KAHUNA_TLS_DEV" help:"Make a certificate for localhost, signed by itself, and keep it with the store. The log has its SHA-256."`

	Conflicts string        `group:"run" name:"transaction-conflicts" env:"KAHUNA_TRANSACTION_CONFLICTS" default:"wait" enum:"wait,refuse" placeholder:"POLICY" help:"What happens where an interactive transaction holds a lock: wait a tenth of a second, or refuse at once, then also of two scripts under way on the same keys the second. Default: wait."`
	Drain     time.Duration `group:"run" env:"KAHUNA_DRAIN" default:"10s" placeholder:"DURATION" help:"How long running requests may take once SIGTERM or Ctrl-C came. A second one leaves at once. Default: 10s."`
	LogFormat string        `group:"run" env:"KAHUNA_LOG_FORMAT" default:"text" enum:"text,json" placeholder:"FORMAT" help:"Form of the log: text or json. Default: text."`
	LogLevel  string        `group:"run" env:"KAHUNA_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" placeholder:"LEVEL" help:"What is logged: debug, info, warn or error. Default: info."`

	Config  string           `group:"run" env:"KAHUNA_CONFIG" placeholder:"FILE" help:"JSON file with an object of flags, such as {\"data\": \"/srv/kahuna\", \"drain\": \"30s\"}. Flags and the environment go before it."`
	Version kong.VersionFlag `group:"run" help:"Print the version."`
}

const description = `Serves a Kahuna store.

  kahuna-server                    the store in the user's state directory
  kahuna-server --data DIR         the store in DIR
  curl -d 'return 1 + 1' http://127.0.0.1:2070/v1/run

Every flag can be given in the environment, as KAHUNA_ and its name in capitals, and in the file that --config names.`

// exit ends the parser with a status.
type exit int

// parse reads the command line, the environment and the file. done tells that
// help or version was all that was wanted.
func parse(args []string, stdout, stderr io.Writer) (f *flags, done bool, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case exit:
			f, done, err = nil, true, nil
		default:
			panic(r)
		}
	}()
	f = &flags{}
	file := &fileResolver{}
	parser, err := kong.New(f, kong.Name("kahuna-server"), kong.Description(description), kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { panic(exit(code)) }), kong.Vars{"version": version()}, kong.Resolvers(file),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.ExplicitGroups([]kong.Group{{Key: "store", Title: "Store:"}, {Key: "listen", Title: "Listeners:"}, {Key: "tls", Title: "TLS:"}, {Key: "run", Title: "Running:"}}))
	if err != nil {
		return nil, false, err
	}
	if file.name, err = configOf(args); err == nil {
		err = file.read()
	}
	if err != nil {
		return nil, false, err
	}
	if _, err := parser.Parse(args); err != nil {
		return nil, false, fmt.Errorf("%w; see kahuna-server --help", err)
	}
	return f, false, f.validate()
}

// validate checks what the parser does not.
func (f *flags) validate() error {
	switch {
	case f.Memory && f.Data != "":
		return errors.New("--memory and --data exclude each other")
	case f.Drain < 0:
		return fmt.Errorf("--drain must not be negative, got %v", f.Drain)
	case f.Connections < 1:
		return fmt.Errorf("--connections must be at least 1, got %d", f.Connections)
	case (f.TLSCert == "") != (f.TLSKey == ""):
		return errors.New("--tls-cert and --tls-key belong together: give both, or --tls-dev for a certificate that the server makes")
	case f.TLSDev && f.TLSCert != "":
		return errors.New("--tls-dev and --tls-cert exclude each other: one certificate serves all")
	case !f.certified() && f.TLS != nil && *f.TLS != "":
		return errors.New("--tls needs a certificate: --tls-cert FILE --tls-key FILE, or --tls-dev for one that the server makes")
	case !f.certified() && f.RedisTLS != "":
		return errors.New("--redis-tls needs a certificate: --tls-cert FILE --tls-key FILE, or --tls-dev for one that the server makes")
	}
	return nil
}

// certified reports whether a certificate is asked for.
func (f *flags) certified() bool { return f.TLSDev || f.TLSCert != "" }

// tlsAddresses returns those of REST and gRPC.
func (f *flags) tlsAddresses() []string {
	if f.TLS == nil {
		return []string{"127.0.0.1:2071"}
	}
	return addresses(*f.TLS)
}

// addresses splits a list at its commas.
func addresses(list string) []string {
	var all []string
	for a := range strings.SplitSeq(list, ",") {
		if a = strings.TrimSpace(a); a != "" {
			all = append(all, a)
		}
	}
	return all
}

// certificate returns the certificate that is asked for, or nil. dir is that of
// the store, empty for none.
func (f *flags) certificate(dir string, logger *slog.Logger) (*server.Certificate, error) {
	switch {
	case f.TLSDev:
		return server.DevCertificate(dir, logger)
	case f.TLSCert != "":
		return server.LoadCertificate(f.TLSCert, f.TLSKey, logger)
	}
	return nil, nil
}

func (f *flags) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(f.LogLevel)) // the parser has checked it
	o := &slog.HandlerOptions{Level: level}
	if f.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// storeLogger is the logger of the store: what it tells of its elections is for
// those who look for a fault.
func (f *flags) storeLogger(w io.Writer) *slog.Logger {
	quiet := *f
	if f.LogLevel == "info" {
		quiet.LogLevel = "warn"
	}
	return quiet.logger(w)
}

// options are those of the store.
func options(logger *slog.Logger) *kahuna.Options {
	return &kahuna.Options{Logger: logger, Limits: kahuna.Limits{TimeoutMax: wire.LongestLife}}
}

// open opens the store. dir is empty for one without files.
func (f *flags) open(logger, storeLogger *slog.Logger) (db *kahuna.DB, dir string, err error) {
	o := options(storeLogger)
	if f.Memory {
		db, err = kahuna.OpenMemory(o)
		return db, "", err
	}
	dir = f.Data
	if dir == "" {
		if dir, err = stateDir(); err != nil {
			return nil, "", fmt.Errorf("%w; name the directory of the store: --data DIR", err)
		}
		if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
			return nil, "", err
		}
	}
	start := time.Now()
	if db, err = kahuna.Open(dir, o); err == nil {
		logger.Info("opened", "data", dir, "took", time.Since(start).Round(time.Millisecond).String())
	}
	return db, dir, err
}

// stateDir is the directory of the store that nobody named.
func stateDir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "kahuna"), nil
	}
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		dir, err := os.UserConfigDir()
		return filepath.Join(dir, "kahuna"), err
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".local", "state", "kahuna"), err
}

// conflicts is the policy that --transaction-conflicts names.
func (f *flags) conflicts() wire.Policy {
	if f.Conflicts == "refuse" {
		return wire.Refuse
	}
	return wire.Wait
}

// mount adds the listeners to the server. c is the certificate, or nil.
func (f *flags) mount(s *server.Server, db *kahuna.DB, c *server.Certificate, logger *slog.Logger) {
	s.Add("http", f.HTTP, s.HTTP())
	s.Add("grpc", f.GRPC, s.GRPC())
	redis := resp.New(db, resp.Options{Context: s.Work(), Logger: logger})
	s.Add("redis", f.Redis, redis)
	s.Collect(redis)
	if c == nil {
		return
	}
	for _, addr := range f.tlsAddresses() {
		s.Add("tls", addr, s.TLS(c, s.RPC()))
	}
	for _, addr := range addresses(f.RedisTLS) {
		s.Add("redis-tls", addr, s.Over(c, "redis"))
	}
}

// version is the module's version, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "kahuna-server (unknown version)"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			v = s.Value
		}
	}
	return "kahuna-server " + v
}
