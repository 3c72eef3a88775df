package auth

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/orlop/orlop"
)

const (
	// maxTokenBody is the largest answer read from a token service, in bytes.
	maxTokenBody = 128 << 10
	// defaultLifetime is how long a token lives that does not say.
	defaultLifetime = 60 * time.Second
	// clientID is the name that OAuth2 requests go by.
	clientID = "orlop"
)

// tokenAttempts is how often a token is asked for whose answer is cut off. That
// requests fail is for the transport below to deal with.
const tokenAttempts = 3

var errCutOff = errors.New("the token service's answer is cut off")

// fetch asks the token service of a challenge for a token.
func (t *Transport) fetch(ctx context.Context, c Challenge, cred Credential, want scopeSet) (token, error) {
	realm, err := t.realm(ctx, c.Params["realm"])
	if err != nil {
		return token{}, err
	}
	r := tokenRequest{realm: realm, service: c.Params["service"], scopes: want.strings()}
	for attempt := 1; ; attempt++ {
		tok, err := t.token(ctx, r, cred)
		if attempt == tokenAttempts || !errors.Is(err, errCutOff) || ctx.Err() != nil {
			tok.scopes = want
			tok.accepted = !cred.IsZero()
			return tok, err
		}
	}
}

func (t *Transport) token(ctx context.Context, r tokenRequest, cred Credential) (token, error) {
	resp, err := t.ask(ctx, r, cred)
	if err != nil {
		return token{}, err
	}
	defer discard(resp)
	return readToken(resp, time.Now())
}

// realm returns the checked URL of the token service.
func (t *Transport) realm(ctx context.Context, text string) (*url.URL, error) {
	u, err := parseRealm(text)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	known := t.goodRealm == text
	t.mu.Unlock()
	if known {
		return u, nil
	}
	if err := t.checkRealm(ctx, u); err != nil {
		return nil, err
	}
	t.mu.Lock()
	t.goodRealm = text
	t.mu.Unlock()
	return u, nil
}

// tokenRequest is what every way to ask for a token says.
type tokenRequest struct {
	realm   *url.URL
	service string
	scopes  []string
}

type askedKey struct{}

// Asked tells what a request to a token service asks for whose URL does not say
// it, so that a log can. ok is false for every other request.
func Asked(ctx context.Context) (service string, scopes []string, ok bool) {
	r, ok := ctx.Value(askedKey{}).(tokenRequest)
	return r.service, r.scopes, ok
}

// ask sends the request in the way that suits the credential. A token service
// that knows OAuth2 only refuses GET with 404 or 405.
func (t *Transport) ask(ctx context.Context, r tokenRequest, cred Credential) (*http.Response, error) {
	if cred.RefreshToken != "" {
		return t.post(ctx, r, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {cred.RefreshToken}})
	}
	resp, err := t.get(ctx, r, cred)
	if err != nil || cred.IsZero() {
		return resp, err
	}
	if resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusMethodNotAllowed {
		return resp, nil
	}
	discard(resp)
	return t.post(ctx, r, url.Values{
		"grant_type": {"password"}, "username": {cred.Username}, "password": {cred.Password},
	})
}

func (t *Transport) get(ctx context.Context, r tokenRequest, cred Credential) (*http.Response, error) {
	u := *r.realm
	q := u.Query()
	if r.service != "" {
		q.Set("service", r.service)
	}
	for _, scope := range r.scopes {
		q.Add("scope", scope)
	}
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if !cred.IsZero() {
		req.Header.Set("Authorization", basic(cred))
	}
	return t.send(req)
}

func (t *Transport) post(ctx context.Context, r tokenRequest, form url.Values) (*http.Response, error) {
	form.Set("client_id", clientID)
	if r.service != "" {
		form.Set("service", r.service)
	}
	if len(r.scopes) > 0 {
		form.Set("scope", strings.Join(r.scopes, " "))
	}
	ctx = context.WithValue(ctx, askedKey{}, r)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.realm.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return t.send(req)
}

// send goes past http.Client, so no redirect is followed with credentials.
func (t *Transport) send(req *http.Request) (*http.Response, error) {
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s://%s%s: %w", req.Method, req.URL.Scheme, req.URL.Host, req.URL.Path, err)
	}
	return resp, nil
}

// tokenBody is a token answer; of token and access_token one is enough.
type tokenBody struct {
	Token       string      `json:"token"`
	AccessToken string      `json:"access_token"`
	ExpiresIn   json.Number `json:"expires_in"` // seconds; some services quote it
}

// readToken reads an answer of a token service that was received at now.
func readToken(resp *http.Response, now time.Time) (token, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenBody+1))
	if err != nil {
		return token{}, fmt.Errorf("%w: %w", errCutOff, err)
	}
	if resp.StatusCode != http.StatusOK {
		return token{}, refusal(resp.StatusCode, body)
	}
	if len(body) > maxTokenBody {
		return token{}, fmt.Errorf("the token service's answer is larger than %d bytes", maxTokenBody)
	}
	var b tokenBody
	if err := json.Unmarshal(body, &b); err != nil {
		return token{}, errors.New("the token service's answer is not a JSON object with a token")
	}
	value := cmp.Or(b.AccessToken, b.Token)
	if !usable(value) {
		return token{}, errors.New("the token service's answer holds no usable token")
	}
	seconds, _ := b.ExpiresIn.Float64() // 0, the default, if absent
	return token{value: value, expires: now.Add(lifetime(seconds))}, nil
}

// usable tells whether a token can be sent in a header.
func usable(token string) bool {
	return token != "" && !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}

// lifetime returns how long a token is used: a tenth less than it lives, at
// most ten seconds less, so that it does not expire on its way.
func lifetime(seconds float64) time.Duration {
	d := defaultLifetime
	if seconds > 0 {
		d = time.Duration(min(seconds, maxLifetime.Seconds()) * float64(time.Second))
	}
	return d - min(d/10, 10*time.Second)
}

// refusal makes an error of a token service's answer. It shows the message
// only, in whichever of the usual forms it comes: the body may hold secrets.
func refusal(status int, body []byte) error {
	var b struct {
		Errors []struct {
			Message string `json:"message"`
		} `json:"errors"`
		Details     string `json:"details"`
		Description string `json:"error_description"`
	}
	message := fmt.Sprintf("the token service answered %d %s", status, http.StatusText(status))
	if json.Unmarshal(body, &b) == nil {
		text := cmp.Or(b.Description, b.Details)
		if len(b.Errors) > 0 {
			text = cmp.Or(b.Errors[0].Message, text)
		}
		if text != "" {
			message += ": " + text[:min(len(text), 256)]
		}
	}
	e := &orlop.Error{Code: orlop.CodeUnknown, Message: message, Status: status}
	switch status {
	case http.StatusUnauthorized, http.StatusBadRequest: // 400: invalid_grant of RFC 6749
		e.Code = orlop.CodeUnauthorized
	case http.StatusForbidden:
		e.Code = orlop.CodeDenied
	case http.StatusTooManyRequests:
		e.Code = orlop.CodeTooManyRequests
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		e.Code = orlop.CodeUnavailable
	}
	return e
}
