package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// shells are those that the command completion knows, and how each is started
// without the user's settings, and loads its script.
var shells = []struct{ name, start, load string }{
	{"bash", "bash --norc --noprofile -i", "source <(kahuna-cli completion bash)"},
	{"zsh", "zsh -f -i", "autoload -U compinit && compinit -D && source <(kahuna-cli completion zsh)"},
	{"fish", `fish --no-config -i -C 'set -g fish_autosuggestion_enabled 0; function fish_prompt; echo "\$ "; end'`, "kahuna-cli completion fish | source"},
}

// In a real terminal, Tab completes commands, flags, files and the words of an
// argument. Bash is on every machine; zsh and fish are tested where they are.
func TestScreenShellCompletion(t *testing.T) {
	for _, shell := range shells {
		if _, err := exec.LookPath(shell.name); err != nil && shell.name != "bash" {
			continue
		}
		t.Run(shell.name, func(t *testing.T) {
			s := newScreen(t)
			for _, name := range []string{"reserve stock.kh", "other.txt", "data"} {
				if err := os.WriteFile(filepath.Join(s.home, name), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Mkdir(filepath.Join(s.home, "dir"), 0o700); err != nil {
				t.Fatal(err)
			}
			s.start(24, fmt.Sprintf("cd %s && env HOME=%[1]s XDG_CONFIG_HOME=%[1]s XDG_DATA_HOME=%[1]s INPUTRC=/dev/null HISTFILE=/dev/null PATH=%[1]s:$PATH TERM=xterm PS1='$ ' %s", s.home, shell.start))
			s.wait(`\$$`)
			s.enter(shell.load + " && clear && echo loaded")
			s.wait(`(?m)^loaded\n.*\$$`)
			for _, tt := range []struct{ typed, shown string }{
				{"kahuna-cli comp", `kahuna-cli completion$`},
				{"kahuna-cli --embedded data fm", `kahuna-cli --embedded data fmt$`},
				{"kahuna-cli -e x --js", `kahuna-cli -e x --json$`},
				{"kahuna-cli fmt --che", `kahuna-cli fmt --check$`},
				{"kahuna-cli run res", `kahuna-cli run reserve\\ stock.kh$`},
				{"kahuna-cli --embedded d", `kahuna-cli --embedded dir/$`},
				{"kahuna-cli --embedded=di", `kahuna-cli --embedded=dir/$`},
				{"kahuna-cli completion f", `kahuna-cli completion fish$`},
			} {
				s.tmux("send-keys", "-l", tt.typed)
				s.tmux("send-keys", "Tab")
				s.wait(tt.shown)
				s.tmux("send-keys", "C-u")
				s.wait(`loaded\n\$$`)
			}
		})
	}
}

// Every command and every flag is in each script.
func TestCompletionHasAll(t *testing.T) {
	var f flags
	app := kong.Must(&f, kong.Name("kahuna-cli"), kong.Vars{"version": ""})
	for name, text := range map[string]string{"bash": bashCompletion(app.Model), "zsh": zshCompletion(app.Model), "fish": fishCompletion(app.Model)} {
		for _, node := range append([]*kong.Node{app.Model.Node}, app.Model.Children...) {
			words := []string{}
			if node != app.Model.Node {
				words = commandNames(node)
			}
			for _, f := range node.Flags {
				if name == "fish" {
					words = append(words, "-l "+f.Name+" ")
				} else {
					words = append(words, "--"+f.Name)
				}
			}
			for _, word := range words {
				if !strings.Contains(text, word) {
					t.Errorf("%s: %s is missing", name, word)
				}
			}
		}
	}
}
