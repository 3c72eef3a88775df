package azblob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
)

// Credentials are how an account is reached: the first that is set, in the
// order here. The zero value is what the environment has: the variables
// AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY and
// AZURE_STORAGE_SAS_TOKEN in this order, else the Entra identity that
// azidentity's default chain finds (environment, workload identity, managed
// identity, command line).
type Credentials struct {
	ConnectionString string
	Key              string // of the account, base64
	SAS              string // a shared access signature for the container or account
	Token            azcore.TokenCredential
}

func (c Credentials) isZero() bool { return c == Credentials{} }

func fromEnvironment() Credentials {
	return Credentials{
		ConnectionString: os.Getenv("AZURE_STORAGE_CONNECTION_STRING"),
		Key:              os.Getenv("AZURE_STORAGE_KEY"),
		SAS:              os.Getenv("AZURE_STORAGE_SAS_TOKEN"),
	}
}

// connect makes the client, and what signs URLs for others.
func (s *Store) connect(o Options) error {
	cred := o.Credentials
	if cred.isZero() {
		cred = fromEnvironment()
	}
	if cred.ConnectionString != "" {
		if err := o.connectionString(&cred); err != nil {
			return err
		}
	}
	if o.Account == "" {
		return errors.New("no storage account is named")
	}
	o.Endpoint = cmp.Or(o.Endpoint, "https://"+o.Account+".blob.core.windows.net")
	for _, endpoint := range []*string{&o.Endpoint, &o.PublicEndpoint} {
		*endpoint = strings.TrimSuffix(cmp.Or(*endpoint, o.Endpoint), "/")
		if err := checkEndpoint(*endpoint); err != nil {
			return err
		}
	}
	s.public = o.PublicEndpoint + "/" + o.Container
	s.transport = newTransport()
	switch {
	case cred.Key != "":
		return s.withKey(o, cred.Key)
	case cred.SAS != "":
		return s.withSAS(o, cred.SAS)
	}
	return s.withToken(o, cred.Token)
}

func checkEndpoint(endpoint string) error {
	at, err := url.Parse(endpoint)
	if err != nil || at.Host == "" || at.Scheme != "https" && at.Scheme != "http" || at.RawQuery != "" {
		return errors.New("the endpoint is not an http or https URL without a query")
	}
	return nil
}

func (s *Store) withKey(o Options, key string) error {
	shared, err := container.NewSharedKeyCredential(o.Account, key)
	if err != nil {
		return errors.New("the account's key is not base64")
	}
	s.signer = keySigner{shared}
	s.container, err = container.NewClientWithSharedKeyCredential(o.Endpoint+"/"+o.Container, shared, (*container.ClientOptions)(s.clientOptions()))
	return err
}

func (s *Store) withSAS(o Options, signature string) (err error) {
	at := o.Endpoint + "/" + o.Container + "?" + strings.TrimPrefix(signature, "?")
	s.container, err = container.NewClientWithNoCredential(at, (*container.ClientOptions)(s.clientOptions()))
	return err
}

func (s *Store) withToken(o Options, token azcore.TokenCredential) (err error) {
	if token == nil {
		if token, err = azidentity.NewDefaultAzureCredential(nil); err != nil {
			return err
		}
	}
	account, err := service.NewClient(o.Endpoint, token, (*service.ClientOptions)(s.clientOptions()))
	if err != nil {
		return err
	}
	s.signer = &tokenSigner{store: s, account: account}
	s.container = account.NewContainerClient(o.Container)
	return nil
}

// connectionString takes a connection string apart. What Options name goes
// before what it says.
func (o *Options) connectionString(c *Credentials) error {
	fields := map[string]string{}
	for field := range strings.SplitSeq(c.ConnectionString, ";") {
		if name, value, ok := strings.Cut(field, "="); ok {
			fields[strings.ToLower(strings.TrimSpace(name))] = value
		}
	}
	c.Key, c.SAS = fields["accountkey"], fields["sharedaccesssignature"]
	if c.Key == "" && c.SAS == "" {
		return errors.New("the connection string has neither AccountKey nor SharedAccessSignature")
	}
	account := fields["accountname"]
	if o.Account != "" && account != "" && o.Account != account {
		return fmt.Errorf("the connection string is for the account %q, not %q", account, o.Account)
	}
	o.Account = cmp.Or(o.Account, account)
	if o.Endpoint = cmp.Or(o.Endpoint, fields["blobendpoint"]); o.Endpoint == "" && o.Account != "" {
		o.Endpoint = cmp.Or(fields["defaultendpointsprotocol"], "https") + "://" + o.Account + ".blob." +
			cmp.Or(fields["endpointsuffix"], "core.windows.net")
	}
	return nil
}

func (s *Store) clientOptions() *service.ClientOptions {
	options := new(service.ClientOptions)
	options.Retry = s.retry(0)
	options.Telemetry.ApplicationID = "orlopd"
	options.Transport = &http.Client{Transport: resender{s.transport}, CheckRedirect: noRedirect}
	return options
}

// defaultAttempts take about five seconds before a store is unavailable: who
// waits for an answer tries again later.
const defaultAttempts = 5

// retry is how requests are tried again that take at most so long each; 0 is
// without limit.
func (s *Store) retry(timeout time.Duration) policy.RetryOptions {
	o := policy.RetryOptions{MaxRetries: int32(s.attempts - 1), RetryDelay: 200 * time.Millisecond, MaxRetryDelay: 3 * time.Second, TryTimeout: timeout}
	if o.MaxRetries == 0 {
		o.MaxRetries = -1 // where 0 is the default
	}
	return o
}

// short is the context of a request with a short answer.
func (s *Store) short(ctx context.Context) context.Context { return s.sending(ctx, 0) }

// sending is the context of a request with n bytes of content, which takes ten
// seconds and what a slow line needs.
func (s *Store) sending(ctx context.Context, n int) context.Context {
	const slowest = 128 << 10 // bytes a second
	return policy.WithRetryOptions(ctx, s.retry(10*time.Second+time.Duration(n)*time.Second/slowest))
}
