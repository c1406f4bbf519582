"""What is for those who write trainers, where the wheel has it too."""
