"""Speech to text: utterances, and the model that transcribes them."""
