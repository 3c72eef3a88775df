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

// confirm asks a question, of one line or several, until the answer is yes or
// no, as az does.
func confirm(env *Env, question string) error {
	for {
		yes, no, err := answer(env, env.Stderr, question+" (y/n): ", "--yes")
		switch {
		case err != nil:
			return err
		case yes:
			return nil
		case no:
			return errCancelled
		}
	}
}

// confirmDelete asks a question once, as ORAS does: what is not yes is no. To
// have decided against it is no failure.
func confirmDelete(env *Env, question string) (bool, error) {
	yes, _, err := answer(env, env.Stdout, question+" [y/N] ", "--force")
	if err != nil || yes {
		return yes, err
	}
	_, err = fmt.Fprintln(env.Stdout, "Operation cancelled.")
	return false, err
}

// answer asks a question and reads a line. Standard input that ends, as in a
// script, is no answer: it is wrong use, and a flag the remedy.
func answer(env *Env, w io.Writer, question, flag string) (yes, no bool, err error) {
	ask(w, question)
	line, err := readLine(env.Stdin)
	if errors.Is(err, io.EOF) {
		fmt.Fprintln(w)
		return false, false, withHint(usagef("nobody answered the question"), "add %s to go on without it", flag)
	}
	if err != nil {
		return false, false, fmt.Errorf("read the answer: %w", err)
	}
	text := strings.ToLower(strings.TrimSpace(line))
	return text == "y" || text == "yes", text == "n" || text == "no", nil
}

// ask writes the question. It may hold names from a registry.
func ask(w io.Writer, question string) {
	lines := strings.Split(question, "\n")
	for i, line := range lines {
		lines[i] = output.Escape(line)
	}
	fmt.Fprint(w, strings.Join(lines, "\n"))
}
