// An agent in another language, which the page on cassettes starts.
const body = {model: "claude-haiku-4-5", max_tokens: 64, messages: [{role: "user", content: process.argv[2]}]};
const headers = {"content-type": "application/json", "anthropic-version": "2023-06-01", "x-api-key": "x"};
fetch(process.env.ANTHROPIC_BASE_URL + "/v1/messages", {method: "POST", headers, body: JSON.stringify(body)})
  .then(answer => answer.json())
  .then(message => console.log(message.content[0].text));
