package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/orlop/orlop/internal/cli/output"
)

// errCancelled reports that the user did not want to go on.
var errCancelled = errors.New("operation cancelled")

// confirm asks a question, of one line or several, until the answer is yes or no. Standard input that
// ends, as in a script, is no answer: it is wrong use, and --yes the remedy.
func confirm(env *Env, question string) error {
	for {
		ask(env, question)
		line, err := readLine(env.Stdin)
		if errors.Is(err, io.EOF) {
			fmt.Fprintln(env.Stderr)
			return withHint(usagef("nobody answered the question"), "add --yes to go on without it")
		}
		if err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return nil
		case "n", "no":
			return errCancelled
		}
	}
}

// ask writes the question. It may hold names from a registry.
func ask(env *Env, question string) {
	lines := strings.Split(question, "\n")
	for i, line := range lines {
		lines[i] = output.Escape(line)
	}
	fmt.Fprintf(env.Stderr, "%s (y/n): ", strings.Join(lines, "\n"))
}
