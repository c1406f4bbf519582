"""A plain PyTorch script that knows nothing of hpt: `python net.py --data x.csv --from 2024-01-01 …` trains a net."""

import argparse
import csv

import torch

parser = argparse.ArgumentParser()
for name in ("--data", "--from", "--valid", "--test", "--to", "--save"):
    parser.add_argument(name, required=True, dest=name.strip("-") + "_")
parser.add_argument("--lr", type=float, default=0.01)
parser.add_argument("--hidden", type=int, default=16)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

with open(args.data_, newline="") as file:
    rows = list(csv.DictReader(file))


def part(start, end):
    table = [[float(row["size"]), float(row["value"])] for row in rows if start <= row["day"] < end]
    return torch.tensor(table).split(1, dim=1)


torch.manual_seed(args.seed)
torch.set_num_threads(1)
train, valid, test = part(args.from_, args.valid_), part(args.valid_, args.test_), part(args.test_, args.to_)
net = torch.nn.Sequential(torch.nn.Linear(1, args.hidden), torch.nn.ReLU(), torch.nn.Linear(args.hidden, 1))
adam = torch.optim.Adam(net.parameters(), lr=args.lr)
for epoch in range(1, args.epochs + 1):
    adam.zero_grad()
    torch.nn.functional.mse_loss(net(train[0]), train[1]).backward()
    adam.step()
    with torch.no_grad():
        print(f"epoch {epoch} validation {torch.nn.functional.mse_loss(net(valid[0]), valid[1]):.5f}")
torch.save(net.state_dict(), args.save_)
with torch.no_grad():
    print(f"test {torch.nn.functional.mse_loss(net(test[0]), test[1]):.5f}")
