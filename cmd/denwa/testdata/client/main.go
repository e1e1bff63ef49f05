// Command client verifies a phone with a client that was generated from
// openapi.yaml: what a team does that writes none of its own. It prints what
// it got.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"

	"client/denwa"
)

const phone = "+819012345678"

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, server, key string) error {
	authenticate := func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+key)
		return nil
	}
	api, err := denwa.NewClientWithResponses(server, denwa.WithRequestEditorFn(authenticate))
	if err != nil {
		return err
	}

	locale := "ja"
	started, err := api.StartVerificationWithResponse(ctx, nil, denwa.StartVerificationJSONRequestBody{To: "090-1234-5678", Locale: &locale})
	if err != nil || started.JSON201 == nil {
		return fmt.Errorf("start: %s %w", started.Status(), err)
	}
	v := started.JSON201
	fmt.Println("started", v.Status, v.ToMasked, v.AttemptsRemaining)

	code, err := read(ctx, server)
	if err != nil {
		return err
	}
	checked, err := api.CheckVerificationWithResponse(ctx, v.Id, nil, denwa.CheckVerificationJSONRequestBody{Code: code})
	if err != nil || checked.JSON200 == nil {
		return fmt.Errorf("check: %s %w", checked.Status(), err)
	}
	fmt.Println("checked", checked.JSON200.Valid, checked.JSON200.Verification.Status)

	got, err := api.GetVerificationWithResponse(ctx, v.Id, nil)
	if err != nil || got.JSON200 == nil {
		return fmt.Errorf("get: %s %w", got.Status(), err)
	}
	fmt.Println("read", got.JSON200.Status, len(got.JSON200.Deliveries))

	sent, err := api.DeliverWithResponse(ctx, nil, denwa.DeliverJSONRequestBody{To: "03-1234-5678", Message: "493817"})
	if err != nil || sent.JSON201 == nil {
		return fmt.Errorf("deliver: %s %w", sent.Status(), err)
	}
	fmt.Println("delivered", sent.JSON201.Channel, len(sent.JSON201.Attempts))

	refused, err := api.StartVerificationWithResponse(ctx, nil, denwa.StartVerificationJSONRequestBody{To: "110"})
	if err != nil || refused.ApplicationproblemJSON422 == nil {
		return fmt.Errorf("refused: %s %w", refused.Status(), err)
	}
	fmt.Println("refused", refused.ApplicationproblemJSON422.Code)
	return nil
}

// read is the code in the message on the sandbox's phone.
func read(ctx context.Context, server string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server+"/sandbox/api/phones/"+phone+"/messages", nil)
	if err != nil {
		return "", err
	}
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	return regexp.MustCompile(`[0-9]{6}`).FindString(string(body)), err
}
