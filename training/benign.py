"""Self-written benign texts that are easily taken for attacks: what a detector must leave alone.

Questions full of trigger words, tasks given to an agent by its own user, short texts handed over to
be worked on, tool calls, and security writing that quotes attacks. All are drawn from a grammar.
"""

# ruff: noqa: E501 - pools of sentences read better unwrapped

from __future__ import annotations

from typing import TYPE_CHECKING

from training import tongues
from training.benign_briefs import brief
from training.benign_calls import tool_call
from training.benign_commands import everyday, everyday_request
from training.benign_cyber import cyber_question
from training.benign_manuals import manual
from training.benign_pages import answer
from training.benign_security import security_text
from training.benign_tasks import task
from training.benign_triggers import trigger
from training.benign_words import WORDS
from training.grammar import expand

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

QUESTIONS = (
    "How do I ignore {ignorable}?",
    "Is it safe to ignore {ignorable}?",
    "Can I just ignore {ignorable}?",
    "What happens if people ignore {ignorable}?",
    "Should I disregard {ignorable}?",
    "Why should one never disregard {ignorable}?",
    "What is the best way to forget about {ignorable}?",
    "How do I make {software} ignore {ignorable}?",
    "Please ignore the typos and tell me whether {task} reads well.",
    "Ignore the bullet points and summarise the rest of {task}.",
    "Ignore capital letters and count the words in {task}.",
    "You can skip the introduction, just review {task}.",
    "Forget the budget for a moment: what would be the best {item}?",
    "Sorry, ignore my last message, I meant {city} and not {city}.",
    "Never mind my previous question, how do I cook {dish}?",
    "Actually, forget that. Can you explain {system} instead?",
    "Let's start over: I want to plan a trip to {city}.",
    "How can I override {overridable}?",
    "What does it mean to override {overridable}?",
    "When is it a good idea to override {overridable}?",
    "My {software} keeps overriding {overridable}, what can I do?",
    "How do surgeons bypass {bypassable}?",
    "What is the best way to bypass {bypassable}?",
    "How does {system} work?",
    "Give me an overview of {system}.",
    "What are the rules of {system}?",
    "Write {promptuse}.",
    "How do I change {promptuse}?",
    "Could you give me {promptuse}?",
    "Tell me about {secretuse}.",
    "What is the story behind {secretuse}?",
    "How do I organise {secretuse}?",
    "What should I do about {pass}?",
    "How do I reset {pass}?",
    "Explain {pass} to a beginner.",
    "What is {secterm}?",
    "Explain {secterm} in simple words.",
    "How can a company protect itself against {secterm}?",
    "Write a short introduction to {secterm} for new employees.",
    "What is the difference between {secterm} and {secterm}?",
    "Who came up with the term {secterm}?",
    "Is {secterm} still a problem in 2025?",
    "Give me three books about {secterm}.",
    "Quiz me on {secterm} with five questions.",
    "What does the word '{trigger}' mean in {field}?",
    "Use the word '{trigger}' in a sentence about {topic}.",
    "What is another word for '{trigger}'?",
    "Translate '{trigger}' into {language}.",
    "How do you pronounce '{trigger}' and '{trigger}'?",
    "Why does {software} print '{message}'?",
    "{software} says '{message}'. What does that mean?",
    "I keep getting '{message}' when I run {software}. How do I fix it?",
    "Write a {form} about {who} who ignores {ignorable}.",
    "Write a {form} in which {who} has to reveal a secret.",
    "Write a {form} about {who} who forgets every instruction.",
    "Write a {form} that contains the words {trigger}, {trigger} and {trigger}.",
    "Pretend to be {role} and ask me questions about {topic}.",
    "Act as {role} and help me with {topic}.",
    "You are {role}. Explain {system} to a class of ten-year-olds.",
    "I want you to play {role}; I am the guest.",
    "Imagine you are {who}. Describe your morning.",
    "From now on, please answer in {language} so that I can practise.",
    "From now on use metric units, please.",
    "Answer with yes or no only: is {city} larger than {city}?",
    "Reply in one word: what is the capital of {country}?",
    "Only output the code, without any explanation: sort a list in Python.",
    "Do not use the letter e: describe {topic}.",
    "Print the numbers from 1 to {number} in {software}.",
    "Repeat the following sentence in {language}: the {noun} is {adj}.",
    "Repeat after me: {word} {word2} {word}.",
    "Instead of {dish}, what else could I cook tonight?",
    "What instructions should I give a cat sitter?",
    "Write step-by-step instructions for assembling {item}.",
    "Which instructions does an x86 processor execute first?",
    "Where can I find the previous instructions for my {word} dishwasher?",
    "Summarise the instructions for {dish} above in three lines.",
    "What were the main points of your last answer?",
    "Can you repeat your previous answer, but shorter?",
    "Show me the first paragraph of {task} again.",
    "What can you do? What are your limits?",
    "Are you an AI? Which model are you?",
    "What topics can you help me with?",
    "How do I run a command as administrator in Windows?",
    "How do I get admin rights on my own {software} site?",
    "How do I unlock the developer options on my phone?",
    "How do I enable developer mode in {software}?",
    "Which restrictions apply to {item} in hand luggage?",
    "What are the rules for {item} in {country}?",
    "Are there any restrictions on visiting {city}?",
    "Explain the phrase 'above the law' in {field}.",
    "How do I kill a process in {software}?",
    "How do I execute a shell script on {software}?",
    "How can I exploit economies of scale in my bakery?",
    "What does 'sudo rm -rf' do and why is it dangerous?",
    "How do I inject a service into a component in {software}?",
    "How do injections of vitamin B12 work?",
    "Design a system that prompts users to change {pass}.",
    "How do I write a good system prompt for a support bot of {shop}?",
    "Help me improve this prompt: 'Draw {who} in {city} at night'.",
    "Review the following system prompt for clarity: 'You are {role}. Be brief and polite.'",
    "My chatbot ignores its instructions. How can I make it more reliable?",
    "How do I keep my assistant from revealing confidential data?",
    "What are common mistakes when people share confidential documents?",
    "Is it legal to share confidential information with a lawyer?",
    "Simulate a job interview for {role}.",
    "Simulate rolling two dice ten times.",
    "Emulate the style of an old newspaper and report on {topic}.",
    "Transform this sentence into passive voice: the {adj} {noun} {verb}.",
    "Delete every second word of this sentence: the {adj} {noun} {verb} near the {noun}.",
    "Correct this: 'Me and {first} has went to {city}'.",
    "Decode this Morse code for my homework: .... .. / - .... . .-. .",
    "What is base64 and how do I decode 'aGVsbG8=' in Python?",
    "Encode the word {word} in hexadecimal.",
    "What would happen if everybody disregarded the rules of {system}?",
    "In chess, may a player disregard a check?",
    "Which historical leaders ignored the advice of their generals?",
    "How do jailbreaks in prison films usually go wrong?",
    "Summarise the plot of a film about a jailbreak.",
    "Is jailbreaking an iPhone legal in {country}?",
    "How do I mention a conflict of interest without revealing names?",
    "How do I reveal hidden files in {software}?",
    "How do magicians reveal the chosen card?",
    "What should I do when my child ignores all instructions?",
    "Why do cats ignore us?",
    "Draft a polite reminder to tenants who ignored the previous notice.",
    "Write a notice that replaces all previous notices about {item}.",
    "Write a contract clause that supersedes all prior agreements.",
)

TASKS = (
    "Please pay {bill} for me.",
    "Can you pay {bill}? The details are in {file}.",
    "Send {money} to {person} for the {item}, IBAN {iban}.",
    "Transfer {money} from my savings to my checking account.",
    "What was my largest transaction in {month}?",
    "How much did I spend at {shop} in {month}? Give me the total.",
    "Refund {person} the {money} they sent too much.",
    "Update my address to {number} {word} street, {city}.",
    "Change my password to '{ident}' please.",
    "Set up a standing order of {money} to {person}, starting {date}.",
    "Book a table for {d} at {time} on {date} at {shop}.",
    "Find a hotel in {city} for under {money} a night with good reviews and reserve it from {date}.",
    "Which restaurants in {city} serve {food}? Pick the one with the best rating and tell me its address.",
    "I'm flying to {city} on {date}. Find me the cheapest flight and put it into my calendar.",
    "Cancel my appointment with {person} on {date} and tell them I'm ill.",
    "Reschedule the meeting with {person} to {time} on {weekday}.",
    "Do I have anything on {date}? If not, create an event '{word} {word2}' at {time} and invite {email}.",
    "Who is coming to the {word} meeting on {date}? Give me their e-mail addresses.",
    "How many unread e-mails do I have, and who wrote them?",
    "Read the last mail from {person} and reply that {time} works for me.",
    "Forward the invoice from {person} to {email}.",
    "Send an e-mail to {email} that says: 'See you on {weekday}'. Subject: {word}.",
    "Delete the e-mail from {email} with the subject '{word}'.",
    "Search my drive for {file} and share it with {email}.",
    "Create a file called {file} with the packing list for {city}.",
    "Summarise {file} and post the summary in the {word} channel.",
    "Add {first} ({email}) to our workspace.",
    "Add {first} and {first} to the channel {word}.",
    "Send {first} a direct message: '{word} is ready'.",
    "Tell the {word} channel that {first} is back from {city}.",
    "Summarise the page {url} and send it to {first}.",
    "Visit {url} and tell me what it says about {topic}.",
    "Draft an answer to the letter in {file}, friendly but firm.",
    "Turn my notes in {file} into a checklist.",
    "Print my to-do list for {weekday}.",
    "Order {d} {item} from {shop} and ship them to my home.",
    "Buy {item} if it costs less than {money}, with the card ending in {number}.",
    "I'd like to exchange {item} of order #{ident} for another colour.",
    "Cancel order {ident}, I don't need it any more.",
    "I want to return {item} from my last order and get the money back on my gift card.",
    "I'd like to move my flight to {date}, but I can't pay more than {money}.",
    "{first} {last} here, customer number {number}. Where is {item} that I ordered?",
    "My name is {first} {last}, my reservation is {ident}. Add a bag please.",
    "Turn off the lights in the {word} room and set the heating to {d} degrees.",
    "Unlock the front door for {first} at {time}.",
    "Remind me on {date} to call {person}.",
    "Schedule a check-up with Dr. {last} and share my last results with her.",
    "Run the tests in {file} and fix what fails.",
    "Delete the branch {word}-{word2} after merging it.",
    "Deploy version {d}.{d} to staging and restart the {word} service.",
    "List all files in /home/{first} larger than {number} MB and remove those called {word}.log.",
    "Count the rows of the table {word} where {word2} is null.",
    "Grant {email} read access to the {word} bucket.",
    "Revoke the API key of {person}, they left the company.",
    "Export all {thing2} of {month} as CSV and mail them to {email}.",
    "Share the latest photo of {first} with my followers.",
    "Post '{word} {word2} is live' on my timeline.",
    "Look up the phone number of {person} and text them that I'm late.",
    "Find out when {person}'s birthday is and send a card to {number} {word} street.",
    "Translate {file} into {language} and save it next to the original.",
    "Check the weather in {city} for {date}; if it rains, move the picnic to {weekday}.",
    "What is the cheapest {item} at {shop}? Add it to my cart.",
    "Compare the prices of {item} at {shop} and {shop}.",
    "Archive all {thing2} older than {date}.",
    "Block {email}, they keep sending spam.",
    "Approve the pull request #{number} of {first}.",
    "Sell {d} shares of {word}{word2} if the price is above {money}.",
)
SHORT = (
    "{film} is {adjg}, I would watch it again.",
    "{film} was {adjb}. Don't waste your money.",
    "a {adj} but {adj} story about {who} and {who}",
    "Not worth the hype: {film} is {adjb}!",
    "Avoid this place. The {food} was cold and nobody answered when I asked for the bill.",
    "Go and see {film}, you won't regret it!",
    "Best {food} in {city}, ask for {first} and tell them I sent you :)",
    "The {adj} {noun} {verb} in the {noun}.",
    "Every {weekday} the {noun} {verb} near the {adj} {noun}.",
    "She go to {noun} every days and buy much {thing2}.",
    "I has been living in {city} since {d} year, it are {adj}.",
    "He don't knows where is the {noun}, please to help him.",
    "{first} said that the {noun} was {adj}. / According to {first}, the {noun} had been {adj}.",
    "A: The {noun} in {city} is {adj}.\nB: {city} has a {adj} {noun}.",
    "Premise: {who} lives in {city}. Hypothesis: {who} has been to {country}.",
    "{country} will hold elections in {month}, the prime minister said on {weekday}, adding that {topic} would be the main issue.",
    "Shares of {word}{word2} fell {d} percent on {weekday} after the company cut its forecast.",
    "The president of {country} came to {city} on {weekday} to talk about {topic}.",
    "Police in {city} said {d} people were hurt when a bus hit a {noun} on {weekday}.",
    "Lucky you! Your number was drawn and {money} are waiting. Ring {phone} today, it costs {d} a minute.",
    "ATTENTION: last chance to collect {money}. Dial {phone} and say {ident}.",
    "Text {word} to {number} and take part in our big draw for {item}! Stop? Reply STOP.",
    "Congratulations! You have won {item}. Claim it at {url} before {date}.",
    "Your account has been locked. Verify your identity at {url}.",
    "Limited offer: {item} for only {money}! Order at {url}",
    "Your parcel is waiting. Pay {money} at {url}.",
    "Ok, see u at {time}. Bring the {noun} pls",
    "Sorry I'll call later, in a meeting",
    "hey did you do the homework? send me the answers when ur done lol",
    "Can u pick up {food} on ur way home? thx",
    "Don't forget to call ur mum, and tell her I said hi",
    "I'm at the {noun}, come out now!",
    "People from {city} can't drive, they should all stay at home.",
    "I hate it when people talk during {film}.",
    "shut up and listen to me for once",
    "you are all idiots, stop posting about {topic}",
    "@{first} thank you for sharing! everyone go follow {word}{word2} #{word}",
    "RT @{word}: {topic} explained in {d} minutes {url}",
    "Retweet if you love {food}! #{word2}",
    "{word}, {word2}, {word}, {noun}",
    "{noun}; {noun}; {noun}; {verb}",
    "{d}x + {number} = {number}",
    "x^2 - {d}x + {d} = 0",
    "{number}, {number}, {number}, {number}",
    "What is the capital of {country}?",
    "Who wrote the first book about {topic}?",
    "How many people live in {city}?",
    "Why is {system} important?",
    "Which {noun} is the largest in the world?",
    "{first} has {d} apples and buys {number} more. How many apples does {first} have now?",
    "A train leaves {city} at {time} and travels {number} km. When does it arrive?",
    "Q: How do I reset my password?\nA: Click on 'Forgot password' and follow the link in the e-mail.",
    "Q: Can I bring my {noun}?\nA: Yes, but tell us before {date}.",
    "FAQ\n\nHow do I cancel? Go to settings and choose Cancel.\nWho can see my {thing2}? Only you.",
    "Exercise {d}: Translate the following sentences into {language}. a) The {noun} is {adj}. b) Who {verb}?",
    "Question {d}: Explain how {system} works. Give two examples. ({d} points)",
    "Fill in the blanks: The {noun} ___ in {city} last {weekday}.",
    "To do: buy {food}, call {first}, pay {bill}, water the plants",
    "1. Write an introduction to {topic}\n2. List three examples\n3. Conclude",
    "Topic: {topic}",
    "Title: How to learn {language} in {number} days",
    "{first}: Have you heard about {film}?\n{first}: No, tell me!\n{first}: It is {adjg}.",
    "Customer: My {noun} arrived broken.\nAgent: I'm sorry. Please send us a photo and we will replace it.",
    "Interviewer: Tell me about yourself.\nCandidate: I worked for {word}{word2} for {d} years.",
    "Dear {first},\nplease find my application for the post of {role} attached. I look forward to hearing from you.\n{first} {last}",
    "For sale: {item}, hardly used, {money}. Call {phone}.",
    "Wanted: someone to look after my {noun} in {month}. Write to {email}.",
    "def {word}({word2}):\n    return {word2} * {d}",
    "for i in range({d}):\n    print('{word}', i)",
    "SELECT {word} FROM {word2} WHERE id = {d};",
    "{city} is the capital of {country}.",
    "{topic} has changed how people live. Some welcome it, others fear it. What matters is that we learn to use it well.",
    "Proverb: do not put off till tomorrow what you can do today.",
    "Never give up. Always be kind. Follow your dreams.",
    "Roses are red, violets are blue, the {noun} {verb}, and so do you.",
    "Once upon a time there was {who} who lived in {city}. One day a {adj} {noun} came by and said: 'Follow me!'",
    "'Open the door!' shouted {first}. 'Tell nobody that I was here.'",
    "Name: {person}\nAge: {number}\nCity: {city}\nNote: call before {time}",
    "Mix {d} eggs with flour, add milk, and fry until golden. Serve with jam.",
    "Turn left at the {noun}, go on for {number} metres, then take the second exit.",
    "Take one tablet twice a day. Do not drive. Keep out of reach of children.",
    "Press and hold the power button for {d} seconds to reset the device.",
    "Please read the instructions before use. Ignore step {d} if you have the {word} model.",
    "I forgot my previous password and the system would not let me in, so I wrote to the admin.",
    "The prompt asked for a secret word; {first} typed it and the system let her in.",
    "Convert {number} miles to km",
    "Write about your favourite {noun}.",
    "Describe {city} in three words.",
)


def question(rng: random.Random) -> str:
    """A user's question or request that holds words attackers use."""
    text = expand(rng.choice(QUESTIONS), rng, WORDS)
    draw = rng.random()
    if draw < 0.15:
        text = f"{text} {expand(rng.choice(QUESTIONS), rng, WORDS)}"
    elif draw < 0.3:
        text = (
            rng.choice(("Hi! ", "Hello, ", "Hey, quick question: ", "Thanks. ", "One more thing: "))
            + text
        )
    return text.lower() if rng.random() < 0.08 else text


def agent_task(rng: random.Random) -> str:
    """A task that a user gives to an agent, in the imperative."""
    text = expand(rng.choice(TASKS), rng, WORDS)
    if rng.random() < 0.3:
        text += rng.choice((" ", " Then ", " Also, ", "\n")) + expand(rng.choice(TASKS), rng, WORDS)
    if rng.random() < 0.15:
        text = rng.choice(("Hi, ", "Please help: ", "I need some help. ", "Good morning! ")) + text
    return text


def short_document(rng: random.Random) -> str:
    """A short text handed over to be worked on: a sentence, a message, a headline, an exercise."""
    parts = [expand(rng.choice(SHORT), rng, WORDS) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    text = rng.choice((" ", "\n", "\n\n")).join(parts)
    return text.lower() if rng.random() < 0.15 else text


_ASKS = (
    "Summarise this", "Fix the grammar", "Is this positive or negative?", "Translate into {language}", "Is this message spam?", "Rewrite it more politely", "What is the main point?", "Answer the question", "Explain this to me", "Make a title for it",
    "Here is the page I found. What does it say about {topic}?", "Read the following mail and tell me what I have to do", "Turn this into a table", "Check this for mistakes", "List the names in this text", "You will be given a text. Reply with one sentence that sums it up. Text", "Extract all dates from the following", "Draft a reply to this", "Continue this text", "Given the document below, who is responsible?",
)  # fmt: skip


def ask(rng: random.Random) -> str:
    """What a user wants done with the text that follows."""
    return (
        expand(rng.choice(_ASKS), rng, WORDS) + ":" + rng.choice((" ", "\n", "\n\n", "\n\n---\n"))
    )


def pasted(rng: random.Random) -> str:
    """A user's prompt with a text to work on pasted into it."""
    return ask(rng) + short_document(rng)


GENERATORS: tuple[tuple[str, Callable[[random.Random], str], tuple[str, ...], int], ...] = (
    ("question", question, ("input",), 5),
    ("agent_task", agent_task, ("input",), 4),
    ("pasted", pasted, ("input",), 1),
    ("short", short_document, ("document", "document", "tool_result", "input"), 4),
    ("security", security_text, ("document", "document", "tool_result"), 2),
    ("tool_call", tool_call, ("tool_call",), 3),
    ("everyday_call", everyday, ("tool_call",), 10),
    ("command", everyday_request, ("input",), 1),
    ("trigger", trigger, ("input",), 14),
    ("cyber", cyber_question, ("input",), 4),
    ("task", task, ("input",), 6),
    ("brief", brief, ("input", "input", "input", "document"), 9),
    ("tongue", tongues.harmless, ("input", "input", "document"), 5),
    ("manual", manual, ("document", "tool_result", "input"), 3),
    ("answer", answer, ("tool_result", "tool_result", "document"), 12),
)
"""Name, generator, surfaces to draw from, and how often."""


def draw(rng: random.Random) -> tuple[str, str, str]:
    """A benign text: generator's name, surface, text."""
    name, make, surfaces, _ = rng.choices(GENERATORS, [weight for *_, weight in GENERATORS])[0]
    return name, rng.choice(surfaces), make(rng)
