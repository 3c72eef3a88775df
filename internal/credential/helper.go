package credential

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"

	"github.com/orlop/orlop/remote/auth"
)

const (
	// helperTime is how long a helper may take; some ask the user.
	helperTime = 2 * time.Minute
	// maxHelperOutput bounds the answer of a helper in bytes.
	maxHelperOutput = 1 << 20
	// tokenUser is the user name that helpers keep an identity token under.
	tokenUser = "<token>"
)

// errNoAnswer is the cause of a helper's end when its time is over.
var errNoAnswer = errors.New("it did not answer in time")

// helper is one run of a credential helper (docker-credential-NAME), see
// github.com/docker/docker-credential-helpers. What it prints may hold secrets
// and is never shown.
type helper struct {
	name     string
	ctx      context.Context // of this one run
	cancel   context.CancelCauseFunc
	err      error // why the run failed
	notFound bool  // it failed for it has no such credential
}

// startHelper prepares a run; the caller calls stop after it.
func startHelper(ctx context.Context, name string, limit time.Duration) (h *helper, stop func()) {
	ctx, stopTimer := context.WithTimeoutCause(ctx, limit, errNoAnswer)
	h = &helper{name: name}
	h.ctx, h.cancel = context.WithCancelCause(ctx)
	return h, func() { h.cancel(nil); stopTimer() }
}

func (h *helper) get(server string) (auth.Credential, error) {
	got, err := client.Get(h.program, server)
	if err != nil {
		return auth.Credential{}, h.fail("get", err)
	}
	if got.Username == tokenUser {
		return auth.Credential{RefreshToken: got.Secret}, nil
	}
	return auth.Credential{Username: got.Username, Password: got.Secret}, nil
}

func (h *helper) store(server string, c auth.Credential) error {
	stored := &credentials.Credentials{ServerURL: server, Username: c.Username, Secret: c.Password}
	switch {
	case c.AccessToken != "":
		return fmt.Errorf("the credential helper %s cannot keep an access token", h.name)
	case c.RefreshToken != "":
		stored.Username, stored.Secret = tokenUser, c.RefreshToken
	}
	return h.fail("store", client.Store(h.program, stored))
}

func (h *helper) erase(server string) error { return h.fail("erase", client.Erase(h.program, server)) }

// list returns the servers that the helper has credentials for.
func (h *helper) list() (map[string]string, error) {
	servers, err := client.List(h.program)
	return servers, h.fail("list", err)
}

// fail makes an error that shows nothing of what the helper printed. That there
// is no such credential is no error.
func (h *helper) fail(action string, err error) error {
	switch {
	case err == nil || h.notFound:
		return nil
	case errors.Is(h.err, exec.ErrNotFound):
		return fmt.Errorf("the credential helper docker-credential-%s is not installed; "+
			"install it, or remove it from the configuration file", h.name)
	case h.err == nil:
		h.err = errors.New("its answer is not valid")
	}
	return fmt.Errorf("credential helper docker-credential-%s %s: %w", h.name, action, h.err)
}

// program implements client.ProgramFunc.
func (h *helper) program(args ...string) client.Program { return &program{h: h, args: args} }

// program is one call of a helper: a small input, a small output.
type program struct {
	h     *helper
	args  []string
	input io.Reader
}

// Input implements client.Program.
func (p *program) Input(in io.Reader) { p.input = in }

// Output implements client.Program. Of a failed run it returns only what the
// protocol defines, for the client quotes it in errors.
func (p *program) Output() ([]byte, error) {
	if strings.ContainsAny(p.h.name, `/\:`) {
		p.h.err = errors.New("its name is not valid")
		return nil, p.h.err
	}
	out := output{tooMuch: func() { p.h.cancel(errors.New("it answers too much")) }}
	cmd := exec.CommandContext(p.h.ctx, "docker-credential-"+p.h.name, p.args...)
	cmd.Stdin, cmd.Stdout = p.input, &out
	cmd.WaitDelay = time.Second // a child of the helper may keep its output open
	if err := cmd.Run(); err != nil {
		p.h.notFound = credentials.IsErrCredentialsNotFoundMessage(out.buf.String())
		p.h.err = err
		if p.h.ctx.Err() != nil {
			p.h.err = context.Cause(p.h.ctx)
		}
		return nil, p.h.err
	}
	return out.buf.Bytes(), nil
}

// output keeps what a helper prints, up to a limit. The buffer is not embedded,
// lest its ReadFrom pass the limit by.
type output struct {
	buf     bytes.Buffer
	tooMuch func() // called when the limit is passed
}

func (o *output) Write(p []byte) (int, error) {
	if o.buf.Len()+len(p) > maxHelperOutput {
		o.tooMuch()
		return 0, io.ErrShortWrite
	}
	return o.buf.Write(p)
}
